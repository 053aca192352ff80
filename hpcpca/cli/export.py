"""``hpcpca export``: results for other programs."""

import click

from ..errors import UsageError
from .command import Command
from .options import Size
from .session import alone, show


@click.command(
    cls=Command,
    examples=(
        "hpcpca export pca.h5 -o components.npy",
        "hpcpca export scores.h5 -o scores.csv",
        "hpcpca export pca.h5 --scores scores.h5 -o modes.nc",
        "hpcpca export pca.h5 --scores s.h5 --into cells.h5ad",
        "hpcpca export pca.h5:explained_variance -o spectrum.csv",
    ),
)
@click.argument("result", metavar="FILE[:dataset]")
@click.option("--scores", metavar="SCORES.h5", help="With .h5ad and .nc: scores on the result.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="File to write: its suffix, .npy, .csv, .h5ad or .nc, says in which format.",
)
@click.option(
    "--into",
    metavar="FILE.h5ad",
    help="Add to these AnnData instead: they are copied, added to, and put in their place.",
)
@click.option("--memory", type=Size(), help="Memory for rows at hand (default 32M).")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code.")
def export(result, scores, output, into, memory, overwrite, quiet):
    """Write a result, scores, or any dataset of a file, for other programs.

    One array as .npy or .csv; of a result of 'hpcpca fit' and scores on it, AnnData (.h5ad:
    varm/PCs, obsm/X_pca, uns/pca) or NetCDF-4 (.nc) with the coordinates that the data had.
    """
    from ..export.formats import export as run
    from ..export.target import Export

    alone("export")
    if (output is None) == (into is None):
        raise UsageError("say where to: one of -o FILE and --into FILE.h5ad")
    asked = Export(result, output or into, scores, memory, overwrite, into=into is not None)
    line = run(asked)
    if not quiet:
        show([line])
