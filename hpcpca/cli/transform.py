"""``hpcpca transform`` and ``hpcpca reconstruct``: scores of rows, and rows from scores."""

import click

from ..errors import UsageError
from ..sources.reading import NAMES as READING
from ..sources.reading import Reading
from .command import Command
from .options import Size, follow_links, given, options_of
from .session import speaker, watching, world

DTYPES = click.Choice(["float32", "float64"])
WRITING = (
    click.option("-o", "--output", required=True, type=click.Path(), help="File to write (HDF5)."),
    click.option("--compression", type=click.Choice(["gzip"]), help="Compress what is written."),
    click.option(
        "--memory",
        type=Size(),
        help="Memory per node that may be used, such as 2G; default: what is free.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        help="Threads per rank; default: processors ÷ ranks that share them.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an existing file."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code."),
)


def writing_options(function):
    """Add the options of commands that write rows."""
    for option in reversed(WRITING):
        function = option(function)
    return function


def _write_scores(result, data, quiet, options, *, onto):
    """Write scores of ``data`` as ``options`` say; ``onto`` are the fields of ``Onto``."""
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..pca import transformation

        transformation.transform(
            ranks,
            watching(ranks, speaker(ranks, quiet)),
            result,
            data,
            Writing(**given(Writing, options)),
            onto=transformation.Onto(*onto),
            reading=given(Reading, options),
        )


@click.command(
    cls=Command,
    examples=(
        "mpiexec -n 4 hpcpca transform pca.h5 data.h5 -o scores.h5",
        "hpcpca transform pca.h5 new.h5 -k 2 --whiten -o scores.h5",
    ),
)
@click.argument("result", metavar="RESULT")
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-k", "--components", type=int, help="Only so many of the components.")
@click.option("--whiten", is_flag=True, help="Divide scores by their standard deviations.")
@click.option(
    "--no-centre", is_flag=True, help="Leave the rows as they are: do not subtract the mean."
)
@click.option(
    "--dtype",
    type=DTYPES,
    help=(
        "Type of the scores; default: float32 for float32, float16 and integers up to 16 bits, else"
        " float64."
    ),
)
@follow_links
@options_of(Reading)
@writing_options
def transform(result, data, components, whiten, no_centre, quiet, **options):
    """Write the scores (Y − 1μᵀ)Vᵀ of DATA's rows on the components in RESULT as /scores (n, K).

    DATA may be other rows than those fitted, with the same columns.
    """
    _write_scores(result, data, quiet, options, onto=(components, whiten, not no_centre))


@click.command(
    cls=Command,
    examples=(
        "mpiexec -n 4 hpcpca project pca.h5 new.h5ad -o scores.h5",
        "hpcpca project pca.h5 new.csv.h5 --missing mean -o s.h5",
    ),
)
@click.argument("result", metavar="RESULT")
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-k", "--components", type=int, help="Only so many of the components.")
@click.option("--whiten", is_flag=True, help="Divide scores by their standard deviations.")
@click.option(
    "--missing",
    type=click.Choice(["refuse", "mean"]),
    default="refuse",
    help="What becomes of columns that DATA lack: refuse such data (default), or take these columns"
    " at their means.",
)
@click.option("--dtype", type=DTYPES, help="Type of the scores; default as of transform.")
@follow_links
@options_of(Reading, names={each for each in READING if each != "columns"})
@writing_options
def project(result, data, components, whiten, missing, quiet, **options):
    """Write the scores of other data on the components in RESULT, as 'hpcpca transform' does, but
    with columns matched by their names, in whatever order DATA have them.

    The names are those of AnnData, 10x, Loom, NetCDF, tables, and /column_names.
    """
    _write_scores(result, data, quiet, options, onto=(components, whiten, True, missing))


@click.command(
    cls=Command,
    examples=(
        "hpcpca reconstruct pca.h5 scores.h5 -o back.h5",
        "mpiexec -n 4 hpcpca reconstruct pca.h5 data.h5 \\",
        "    --errors -o errors.h5",
    ),
)
@click.argument("result", metavar="RESULT")
@click.argument("data", nargs=-1, required=True, metavar="SCORES|DATA[:dataset]...")
@click.option("--dtype", type=DTYPES, help="Type of the rows; default: that of the scores.")
@click.option(
    "--errors",
    is_flag=True,
    help="Of DATA, write how far rows are from what the components make of them: /row_errors (n),"
    " and root mean squares down the columns, /column_errors and /column_deviations (d).",
)
@click.option("-k", "--components", type=int, help="With --errors: only so many components.")
@follow_links
@options_of(Reading)
@writing_options
def reconstruct(result, data, errors, components, quiet, **options):
    """Write the rows SV + 1μᵀ that the file SCORES of 'hpcpca transform' stands for as /data (n,
    d), or (n, …) with the axes that the samples had; or with --errors, what is lost of DATA so.
    """
    _check_errors(data, errors, components, options)
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..pca import left_over, transformation

        say, how = watching(ranks, speaker(ranks, quiet)), Writing(**given(Writing, options))
        if errors:
            reading = given(Reading, options)
            more = {"count": components, "reading": reading}
            return left_over.left_over(ranks, say, result, data, how, **more)
        transformation.reconstruct(ranks, say, result, data[0], how)


def _check_errors(data, errors, components, options):
    """Raise UsageError if options go only with --errors, or not with it."""
    reading = [each for each in (*READING, "follow_links") if options[each] is not None]
    only = [*reading, *["components"] * (components is not None), *data[1:]]
    if not errors and only:
        what = data[1] if len(data) > 1 else f"--{only[0].replace('_', '-')}"
        raise UsageError(f"{what} goes with --errors only: rows come from one file of scores")
    if errors and options["dtype"]:
        raise UsageError("--dtype: errors are float64; leave it out")
