"""``hpcpca plot``: figures of what is in a file."""

import os

import click

from .command import Command
from .problems import about
from .session import show
from .types import Shape


@click.command(
    cls=Command,
    examples=(
        "hpcpca plot pca.h5",
        "hpcpca plot pca.h5 --images 28x28 -o components.svg",
    ),
)
@click.argument("file", metavar="RESULT|CKPT|EXPERIMENT")
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
@click.option("--lines", is_flag=True, help="Components, or pairs, as lines.")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def plot(file, output, images, lines, overwrite):
    """Draw the spectrum, how components converged, residuals against passes, R² by the number of
    pairs; components as pictures or lines; of compress what factors keep and leave; or an
    experiment's series.
    """
    from ..errors import UsageError
    from ..files.formats import EXPERIMENT
    from ..files.opening import open_file
    from ..files.outputs import check_output
    from ..files.result import Stored
    from ..report import experiment, pictures, result, spectra
    from ..report.canvas import is_no_figure

    if images and lines:
        raise UsageError("--images and --lines: give one of them")
    what = "-images" if images else "-lines" if lines else ""
    output = output or f"{os.path.splitext(file)[0]}{what}.png"
    check_output(output, "-o", overwrite, {file: file}, is_no_figure, what="figure")
    with open_file(file) as opened:
        is_experiment = opened.attrs.get("format") == EXPERIMENT
    if is_experiment:
        if what:
            raise UsageError(f"-{what} goes with a result; {file} is an experiment")
        experiment.draw(file, output)
    else:
        stored = Stored(file)
        said = about(stored)
        if many := said.spectra(stored):
            if what:
                raise UsageError(f"-{what} goes with one set of vectors; {file} has many matrices")
            spectra.draw(output, many)
            return show([f"figure: {output}"])
        stored.require_vectors()
        shares = said.shares(stored)
        if what:
            sides, images = pictures.framed(stored, said.sides(stored, result.SHOWN), images)
            result.draw_sides(output, sides, images, shares)
        else:
            result.draw(stored, output, shares, said.curves(stored))
    show([f"figure: {output}"])
