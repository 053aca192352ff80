"""``hpcpca plot``: figures of what is in a file."""

import os

import click

from .types import Shape


@click.command()
@click.argument("file", metavar="RESULT|CKPT|EXPERIMENT")
@click.option("-o", "--output", type=click.Path(), help="Figure (.png, .pdf, .svg); default: FILE.png.")
@click.option("--images", type=Shape(), metavar="HxW", help="Components as pictures of H rows and W columns, such as 28x28.")
def plot(file, output, images):
    """Draw the spectrum, how components converged, residuals against passes; components as pictures; or an experiment's series."""
    from ..errors import DataError, UsageError
    from ..io.formats import EXPERIMENT
    from ..io.result import Stored
    from ..io.source import open_file
    from ..plots import experiment, result
    output = output or os.path.splitext(file)[0] + ("-images.png" if images else ".png")
    if os.path.exists(output) and os.path.samefile(output, file):
        raise UsageError(f"-o {output} would overwrite {file}; name another file")
    if not os.path.isdir(os.path.dirname(output) or "."):
        raise DataError(f"folder {os.path.dirname(output)} of {output} does not exist; make it first")
    with open_file(file) as opened:
        is_experiment = opened.attrs.get("format") == EXPERIMENT
    if is_experiment:
        if images:
            raise UsageError(f"--images goes with a result; {file} is an experiment")
        experiment.draw(file, output)
    elif images:
        result.draw_images(Stored(file), output, images)
    else:
        result.draw(Stored(file), output)
    click.echo(f"figure: {output}")
