"""``hpcpca info``: what is in a file."""

import click

from . import commands
from .command import Command
from .problems import about
from .session import show


@click.command(
    cls=Command,
    examples=("hpcpca info pca.h5 data.h5", "hpcpca info --config pca.h5 > run.toml"),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--config",
    "is_again",
    is_flag=True,
    help="Of a result: the options that it was computed with, as --config of its command reads"
    " them.",
)
def info(files, is_again):
    """Say what FILEs hold: data, or what hpcpca has written."""
    from ..files.paths import expand
    from ..files.result import Stored
    from ..report.describe import describe_file

    found = expand(files)
    if is_again:
        return show(line for each in found for line in _configuration(Stored(each.path)))
    show(line for each in found for line in describe_file(each.path, about, each.dataset))


def again(stored):
    """Return lines of TOML, by which the command of a Stored result's problem computes it again;
    none if there is no such command.
    """
    from .configured import ConfiguredCommand, as_toml

    command = commands.get_command(None, stored.problem.split()[0])
    if not isinstance(command, ConfiguredCommand):
        return []
    return list(as_toml(command.again(stored.problem, stored.attributes["config"])))


def _configuration(stored):
    return [f"# hpcpca {stored.problem}, as {stored.path} has it", *again(stored)]
