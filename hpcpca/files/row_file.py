"""A file with one dataset that all ranks write piece by piece as its rows come: whole or not at
all.

With an MPI build of h5py every rank writes its own rows (collectively where they are compressed);
otherwise the root writes what it receives, one piece at a time, while the senders go on. The whole
is never in memory.
"""

import math
import os
from contextlib import contextmanager, suppress

import numpy as np

from ..errors import HpcpcaError
from .hdf5 import HAS_MPI, OVERHEAD, check_room, sync
from .paths import temporary
from .row_targets import ByRoot, Collective, Independent


@contextmanager
def row_file(world, path, name, shape, dtype, *, attributes, compression=None):
    """Yield the target whose ``put(first, rows)`` fills rows of the new dataset ``name`` of
    ``path``; every rank's put is called equally often.

    Collective. On errors ``path`` is as it was; raises DataError on all ranks where the file cannot
    be written.
    """
    real = os.path.realpath(path)  # what a symlink leads to, not the link
    part = temporary(real)
    kind = ByRoot if not HAS_MPI or world.size == 1 else Collective if compression else Independent
    target = kind(world, path)
    try:
        with target.writing():
            if world.is_root:
                count = 0 if compression else math.prod(shape) * np.dtype(dtype).itemsize
                check_room(part, OVERHEAD + count)
                open(part, "wb").close()
        target.open(part, name, shape, np.dtype(dtype), attributes, compression=compression)
        yield target
        target.close()
        with target.writing():
            if world.is_root:
                sync(part)
                os.replace(part, real)
                sync(os.path.dirname(real))
    except BaseException as error:
        agreed = getattr(
            error, "is_agreed", False
        )  # otherwise the other ranks know of nothing, and the job will be aborted
        if agreed:
            with suppress(HpcpcaError):
                target.close()
        if world.is_root or not agreed:
            with suppress(OSError):
                os.remove(part)
        raise
