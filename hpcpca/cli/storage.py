"""How commands that write data are told to lay them out."""

import click


def storage(function):
    """Options that say how files are laid out."""
    for option in reversed(
        (
            click.option(
                "-o",
                "--output",
                required=True,
                type=click.Path(),
                metavar="OUT",
                help="File (OUT.h5), or folder for shards.",
            ),
            click.option(
                "--shards",
                type=click.IntRange(1),
                help="Number of files in the folder; default: of about 512 MiB each.",
            ),
            click.option(
                "--uneven", is_flag=True, help="Shards of very different sizes (1 : 2 : 3 …)."
            ),
            click.option(
                "--chunk-rows",
                type=click.IntRange(0),
                help="Rows per HDF5 chunk, 0 for contiguous; default: chunks of about 1 MiB.",
            ),
            click.option(
                "--compression",
                type=click.Choice(["none", "gzip", "lzf"]),
                default="none",
                show_default=True,
                help="HDF5 filter.",
            ),
            click.option(
                "--dataset",
                metavar="NAME",
                help="Name of the dataset in each file; default X, or as in DATA.",
            ),
        )
    ):
        function = option(function)
    return function


TYPES = [
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]


def check_storage(output, shards, chunk_rows, compression):
    """Raise UsageError where options contradict each other."""
    from ..errors import UsageError
    from ..files.paths import SUFFIXES

    if output.lower().endswith(SUFFIXES) and (shards or 1) > 1:
        raise UsageError(f"--shards {shards} with -o {output}: a file is one shard; name a folder")
    if compression != "none" and chunk_rows == 0:
        raise UsageError(
            f"--compression {compression} with --chunk-rows 0: only chunks can be compressed; leave"
            " one of them out"
        )
