"""``hpcpca data import``: text, numpy's arrays and Parquet as HDF5."""

import time

import click

from ..sources.imported.settings import Importing
from .command import Command
from .making import say_written
from .options import given, options_of
from .session import speaker, watching, world
from .storage import TYPES, check_storage, storage


@click.command(
    "import",
    cls=Command,
    examples=(
        "hpcpca data import table.csv -o table.h5",
        "hpcpca data import 'part-*.parquet' -o shards",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@storage
@click.option(
    "--dtype",
    type=click.Choice(TYPES),
    metavar="TYPE",
    help=(
        "Element type; default float64 for text, else that of the files: floats are rounded,"
        " integers must stay the same."
    ),
)
@options_of(Importing)
def import_files(
    files, output, shards, uneven, chunk_rows, compression, dataset, dtype, **importing
):
    """Write the rows of FILES, one file after the other, as HDF5: text (.csv, .tsv, .txt, also
    .gz), arrays of numpy (.npy) and Parquet.

    What is missing becomes NaN. The names of columns, if there are any, become a dataset
    column_names. Rank r writes shards r, r+ranks, …, reading their rows only. Nothing is
    overwritten; files get their names when all are written.
    """
    from ..errors import UsageError
    from ..files.file_set import NAMES, layout, prepare, write_set
    from ..sources.imported.files import open_files

    begun = time.monotonic()
    with world() as ranks:
        with ranks.agreed():
            check_storage(output, shards, chunk_rows, compression)
            if dataset == NAMES:
                raise UsageError(f"--dataset {NAMES}: this has the names of the columns")
        watching(ranks, speaker(ranks))
        how = Importing(**given(Importing, importing))
        rows = ranks.decide(lambda: open_files(files, how, dtype))
        laid_out = layout(
            output,
            rows.edges[-1],
            rows.columns,
            rows.dtype,
            shards,
            uneven=uneven,
            dataset=dataset or "X",
            chunk_rows=chunk_rows,
            compression=compression,
            feature_shape=rows.feature_shape,
            names=rows.names,
        )
        ranks.decide(lambda: prepare(laid_out))
        if any(file.is_large for file in rows.files):
            from ..kernels import decimals

            ranks.first_on_node(lambda: False, decimals.warm_up)
        write_set(ranks, laid_out, rows)
        say_written(ranks, laid_out, begun)
