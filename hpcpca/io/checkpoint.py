"""The checkpoint file: a result, plus the state to go on from, whatever the ranks, grid, operator or MPI then."""

import os

from .hdf5 import Rows, write
from .result import CHECKPOINT, FORMAT, result_arrays, root_attributes


def write_result(world, path, content):
    """Write a result file. Collective; raises DataError on all ranks."""
    write(world, path, root_attributes(content, FORMAT), result_arrays(content))


def write_checkpoint(world, path, content, exponent, is_double):
    """Write a checkpoint and keep the one before as PATH.1. Collective; raises DataError on all ranks.

    Images are scaled; true ones are theirs times 2**state_exponent.
    """
    state = content.state
    arrays = result_arrays(content) | {
        "state/vectors": Rows(state.vectors, content.offsets),
        "state/images": Rows(state.images, content.offsets),
    }
    attributes = root_attributes(content, CHECKPOINT) | {"state_round": state.round, "state_exponent": exponent, "state_double": is_double}
    write(world, path, attributes, arrays, keep_previous=True)


def remove_checkpoint(path):
    """Remove a checkpoint and the one before it. For one rank to call."""
    for name in (path, path + ".1"):
        if os.path.exists(name):
            os.remove(name)
