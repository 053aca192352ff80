"""The files that a run writes as a whole: its result, and checkpoints."""

import os

from .hdf5 import write


def write_result(world, path, attributes, arrays):
    """Write a result file. Collective; raises DataError on all ranks."""
    write(world, path, attributes, arrays)


def write_checkpoint(world, path, attributes, arrays):
    """Write a checkpoint and keep the one before as PATH.1.

    Collective; raises DataError on all ranks.
    """
    write(world, path, attributes, arrays, keep_previous=True)


def remove_checkpoint(path):
    """Remove a checkpoint and the one before it. For one rank to call."""
    for name in (path, path + ".1"):
        if os.path.exists(name):
            os.remove(name)
