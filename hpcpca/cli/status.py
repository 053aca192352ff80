"""``hpcpca status``: how far a run is."""

import json

import click

from .command import Command
from .problems import unknown
from .session import show


@click.command(cls=Command, examples=("hpcpca status pca.h5.ckpt",))
@click.argument("checkpoint", metavar="CKPT|RESULT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def status(checkpoint, as_json):
    """Say how far the run is that writes CKPT, or wrote RESULT, while it goes on or after it has
    ended.
    """
    from ..files.status import lines_of, status_of

    found = status_of(checkpoint)
    show([json.dumps(found)] if as_json else lines_of(found, unknown))
