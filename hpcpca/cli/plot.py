"""``hpcpca plot``: figures of what is in a file."""

import os

import click

from ..errors import UsageError
from .command import Command
from .problems import about
from .session import show
from .types import Numbers, Shape

KINDS = ("images", "maps", "lines", "loadings")  # how components are drawn


@click.command(
    cls=Command,
    examples=(
        "hpcpca plot pca.h5",
        "hpcpca plot pca.h5 --images 28x28 -o components.svg",
        "hpcpca plot climate.h5 --maps -o modes.pdf",
        "hpcpca plot cells.h5 --loadings",
        "hpcpca plot scores.h5 --colour cells.h5ad:obs/leiden",
        "hpcpca plot errors.h5",
    ),
)
@click.argument("file", metavar="RESULT|CKPT|SCORES|ERRORS|EXPERIMENT")
@click.option(
    "-o", "--output", type=click.Path(), help="Figure (.png, .pdf, .svg); default: FILE.png."
)
@click.option(
    "--images",
    type=Shape("28x28", word="stored"),
    is_flag=False,
    flag_value="stored",
    metavar="[HxW]",
    multiple=True,
    help=(
        "Components as pictures of H rows and W columns, such as 28x28; of pairs both sides, twice"
        " if they differ. Alone: in the shape that the samples had."
    ),
)
@click.option(
    "--maps", is_flag=True, help="Components over the two axes, such as lat and lon, of samples."
)
@click.option(
    "--lines",
    is_flag=True,
    help="Components, or pairs, as lines: along the axis of the samples if it has numbers.",
)
@click.option(
    "--loadings", is_flag=True, help="The columns of largest weight in each component, by name."
)
@click.option(
    "--colour",
    metavar="FILE:dataset",
    help="Of scores: colours by numbers, text or categories, one for each row.",
)
@click.option(
    "--pair",
    "pairs",
    type=Numbers(least=0),
    metavar="I,J",
    multiple=True,
    help="Of scores: the components to draw; default: 0,1 and the next pairs.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def plot(file, output, images, maps, lines, loadings, colour, pairs, overwrite):
    """Draw the spectrum, how components converged, residuals against passes, R² by the number of
    pairs; components as pictures, maps, lines or bars; scores, as points or, if they are many, as
    densities; errors of rows and columns; of compress what factors keep and leave; or an
    experiment's series.
    """
    from ..files.formats import ERRORS, EXPERIMENT, SCORES
    from ..files.outputs import check_output
    from ..files.result import format_of
    from ..report import experiment, left_over, scores
    from ..report.canvas import is_no_figure

    asked = [name for name, is_so in zip(KINDS, (images, maps, lines, loadings)) if is_so]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(f'--{name}' for name in asked)}: give one of them")
    what = f"-{asked[0]}" if asked else ""
    output = output or f"{os.path.splitext(file)[0]}{what}.png"
    check_output(output, "-o", overwrite, {file: file}, is_no_figure, what="figure")
    kind = format_of(file)
    if kind != SCORES and (colour or pairs):
        raise UsageError(f"--{'colour' if colour else 'pair'} goes with scores; {file} has none")
    if what and kind in (SCORES, ERRORS, EXPERIMENT):
        raise UsageError(f"-{what} goes with a result; {file} is {kind.replace('hpcpca-', 'of ')}")
    if kind == SCORES:
        scores.draw(output, file, colour, pairs)
    elif kind == ERRORS:
        left_over.draw(output, file)
    elif kind == EXPERIMENT:
        experiment.draw(file, output)
    else:
        _draw_result(file, output, what, images)
    show([f"figure: {output}"])


def _draw_result(file, output, what, images):
    """Draw a result or checkpoint; raise UsageError, DataError."""
    from ..files.result import Stored
    from ..report import loadings, pictures, result, spectra

    stored = Stored(file)
    said = about(stored)
    if many := said.spectra(stored):
        if what:
            raise UsageError(f"-{what} goes with one set of vectors; {file} has many matrices")
        return spectra.draw(output, many)
    stored.require_vectors()
    shares = said.shares(stored)
    if not what:
        return result.draw(stored, output, shares, said.curves(stored))
    if what == "-loadings":
        return loadings.draw(stored, output, shares)
    if what == "-maps":
        return loadings.draw_maps(stored, output, shares)
    sides, images = pictures.framed(stored, said.sides(stored, result.SHOWN), images)
    along = loadings.own_axis(stored) if what == "-lines" else None
    return result.draw_sides(output, sides, images, shares, along)
