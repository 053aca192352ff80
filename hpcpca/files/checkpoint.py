"""The checkpoint file: a result, plus the state to go on from, whatever the ranks, grid,
operator or MPI then.
"""

import os

import numpy as np

from .formats import CHECKPOINT, RESULT
from .hdf5 import Rows, write
from .result import MEMORY, result_arrays, root_attributes


def write_result(world, path, content):
    """Write a result file. Collective; raises DataError on all ranks."""
    write(world, path, root_attributes(content, RESULT), result_arrays(content))


def write_checkpoint(world, path, content, operator, unfinished=None):
    """Write a checkpoint and keep the one before as PATH.1.

    Collective; raises DataError on all ranks.

    Images are scaled; true ones are theirs times 2**state_exponent. ``unfinished`` is what there is
    of a pass that was stopped.
    """
    state, centring = content.state, unfinished.centring if unfinished else operator.centring
    arrays = result_arrays(content) | {
        "state/vectors": Rows(state.vectors, content.offsets),
        "state/images": Rows(state.images, content.offsets),
    }
    arrays |= {MEMORY + name: Rows(array, content.offsets) for name, array in state.memory.items()}
    attributes = root_attributes(content, CHECKPOINT) | {
        "state_round": state.round,
        "state_exponent": operator.exponent,
        "state_double": operator.is_double,
        "state_has_images": state.has_images,
    }
    if centring is not None and (unfinished or content.n is not None):
        attributes |= {
            "state_centring_exponent": centring.exponent,
            "state_centring_double": centring.work == np.float64,
        }
        arrays["state/shift"] = centring.shift
        if centring.count == content.n:  # else what it has measured is a sample
            arrays |= {"state/offset": centring.offset, "state/squares": centring.squares}
    if unfinished:
        arrays |= _pass_arrays(unfinished)
    write(world, path, attributes, arrays, keep_previous=True)


def _pass_arrays(unfinished):
    arrays = {"state/rows_done": unfinished.rows}
    if unfinished.moments is not None:
        arrays["state/moments"] = unfinished.moments
    if unfinished.panel is None:
        return arrays | {"state/gram": unfinished.sums}
    return arrays | {
        "state/pending": Rows(unfinished.panel, unfinished.offsets),
        "state/pending_sums": Rows(unfinished.sums, unfinished.offsets),
    }


def remove_checkpoint(path):
    """Remove a checkpoint and the one before it. For one rank to call."""
    for name in (path, path + ".1"):
        if os.path.exists(name):
            os.remove(name)
