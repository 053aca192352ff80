"""``hpcpca report``: a result as a page that a browser shows."""

import os

import click

from ..errors import UsageError
from .command import Command
from .info import again
from .problems import about
from .session import show
from .types import Shape


@click.command(
    cls=Command,
    examples=(
        "hpcpca report pca.h5",
        "hpcpca report pca.h5 --images 28x28 -o report.html",
        "hpcpca report pca.h5 --scores s.h5 --colour x.h5:label",
    ),
)
@click.argument("result", metavar="RESULT|CKPT")
@click.option(
    "-o", "--output", type=click.Path(), help="Page to write (HTML); default: RESULT.html."
)
@click.option(
    "--images", type=Shape("28x28"), metavar="HxW", help="Components are pictures of H rows."
)
@click.option("--scores", metavar="SCORES.h5", help="Also draw where rows are, by their scores.")
@click.option(
    "--colour", metavar="FILE:dataset", help="Of scores: colours by a value for each row."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def report(result, output, images, scores, colour, overwrite):
    """Write a page for people: figures, eigenvalues with their errors, what was computed from what
    and how, what the words mean, and how to cite. It is one file, and loads nothing.
    """
    from ..files.outputs import check_output
    from ..report import report as reports

    output = output or f"{os.path.splitext(result)[0]}.html"
    if colour and not scores:
        raise UsageError("--colour goes with --scores")
    read = {result: "the result"} | ({scores: "the scores"} if scores else {})
    check_output(output, "-o", overwrite, read, reports.is_no_page, what="page of HTML")
    what = {"shape": images, "scores": scores, "colour": colour}
    reports.write(result, output, about, again, **what)
    show([f"report: {output}"])
