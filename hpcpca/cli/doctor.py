"""``hpcpca doctor``: is this machine set up right."""

import os
import sys

import click

from ..errors import NOT_ACHIEVED
from .command import Command
from .session import speaker, world


@click.command(cls=Command, examples=("mpiexec -n 4 hpcpca doctor",))
@click.argument("folder", default=".", metavar="[FOLDER]")
def doctor(folder):
    """Look at launcher, processors, memory, HDF5, FOLDER (where results are to go), caches and
    speed; exit 4 where there is trouble.

    Start it as the job is to be started: mpiexec -n 8 hpcpca doctor, or srun in a batch script.
    """
    with world() as ranks:
        from ..planning.doctor import TROUBLE, examine

        say = speaker(ranks, stream=sys.stdout)
        found = examine(ranks, os.path.abspath(folder))
        for verdict, what, text in found:
            say(f"{verdict:<8} {what + ':':<13} {text}")
        troubles = sum(verdict == TROUBLE for verdict, _, _ in found)
        say(
            "all is well"
            if not troubles
            else f"{troubles} trouble(s); the remedies are in the lines above"
        )
        return NOT_ACHIEVED if troubles else 0
