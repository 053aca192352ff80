"""``hpcpca info``: what is in a file."""

import click

from .problems import about
from .session import show


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def info(files):
    """Say what FILEs hold: data, or what hpcpca has written."""
    from ..files.paths import expand
    from ..report.describe import describe_file

    show(line for each in expand(files) for line in describe_file(each.path, about, each.dataset))
