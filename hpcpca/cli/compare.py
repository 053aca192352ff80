"""``hpcpca compare``: whether two sets of vectors agree."""

import sys

import click

from ..errors import NOT_ACHIEVED
from .command import Command
from .options import Size
from .session import alone, show
from .wrapping import tell


@click.command(
    cls=Command,
    examples=(
        "hpcpca compare pca.h5 other.h5",
        "hpcpca compare pca.h5 vectors.npy -k 4 --within 1e-3",
    ),
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("-k", "--components", type=int, help="Only the first so many of each.")
@click.option(
    "--within",
    type=click.FloatRange(0),
    metavar="RADIANS",
    help="Exit with 4 if the largest principal angle is more than this.",
)
@click.option("--memory", type=Size(), help="Memory for columns at hand (default 64M).")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code.")
def compare(first, second, components, within, memory, quiet):
    """Compare the vectors of A and B, each a result, FILE.npy or FILE:dataset: principal angles
    between their spans; which of A goes with which of B, with its sign and the angle between.
    """
    alone("compare")
    from ..report.compare import compared

    lines, angle = compared(first, second, components, memory)
    if not quiet:
        show(lines)
    if within is not None and angle > within:
        tell(
            f"hpcpca: they do not agree: the largest angle is {angle:.2g}, more than --within"
            f" {within:g}",
            sys.stderr,
        )
        return NOT_ACHIEVED
    return 0
