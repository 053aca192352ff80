"""``hpcpca transform`` and ``hpcpca reconstruct``: scores of rows, and rows from scores."""

import click

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
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..pca import transformation

        transformation.transform(
            ranks,
            watching(ranks, speaker(ranks, quiet)),
            result,
            data,
            Writing(**given(Writing, options)),
            onto=transformation.Onto(components, whiten, not no_centre),
            reading=given(Reading, options),
        )


@click.command(
    cls=Command,
    examples=("hpcpca reconstruct pca.h5 scores.h5 -o back.h5",),
)
@click.argument("result", metavar="RESULT")
@click.argument("scores", metavar="SCORES")
@click.option("--dtype", type=DTYPES, help="Type of the rows; default: that of the scores.")
@writing_options
def reconstruct(result, scores, quiet, **writing):
    """Write the rows SV + 1μᵀ that the file SCORES of 'hpcpca transform' stands for as /data (n,
    d), or (n, …) with the axes that the samples had.
    """
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..pca import transformation

        say = watching(ranks, speaker(ranks, quiet))
        transformation.reconstruct(ranks, say, result, scores, Writing(**writing))
