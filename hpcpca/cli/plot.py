"""``hpcpca plot``: figures of what is in a file."""

import os

import click

from .problems import about
from .session import show
from .types import Shape


@click.command()
@click.argument("file", metavar="RESULT|CKPT|EXPERIMENT")
@click.option(
    "-o", "--output", type=click.Path(), help="Figure (.png, .pdf, .svg); default: FILE.png."
)
@click.option(
    "--images",
    type=Shape("28x28"),
    metavar="HxW",
    help="Components as pictures of H rows and W columns, such as 28x28.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def plot(file, output, images, overwrite):
    """Draw the spectrum, how components converged, residuals against passes; components as
    pictures; or an experiment's series.
    """
    from ..errors import UsageError
    from ..files.formats import EXPERIMENT
    from ..files.opening import open_file
    from ..files.outputs import check_output
    from ..files.result import Stored
    from ..report import experiment, result
    from ..report.canvas import is_no_figure

    output = output or os.path.splitext(file)[0] + ("-images.png" if images else ".png")
    check_output(output, "-o", overwrite, {file: file}, is_no_figure, what="figure")
    with open_file(file) as opened:
        is_experiment = opened.attrs.get("format") == EXPERIMENT
    if is_experiment:
        if images:
            raise UsageError(f"--images goes with a result; {file} is an experiment")
        experiment.draw(file, output)
    else:
        stored = Stored(file)
        shares = about(stored).shares(stored)
        if images:
            result.draw_images(stored, output, images, shares)
        else:
            result.draw(stored, output, shares)
    show([f"figure: {output}"])
