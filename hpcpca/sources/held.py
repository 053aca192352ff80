"""Arrays of this process, by names that stand for files: the data of programs that call hpcpca.

Every rank has its own; what is sent to others are names.
"""

import os
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from .lying import CannotMap

ARRAYS: dict = {}  # {name: array}


@contextmanager
def holding(arrays):
    """Let ``arrays`` {name: array} be found under their names in the body.

    An array has ``shape`` and ``dtype``, and gives rows if it is sliced; or it is sparse, of
    scipy's CSR.
    """
    before = {name: ARRAYS[name] for name in arrays if name in ARRAYS}
    ARRAYS.update(arrays)
    try:
        yield
    finally:
        for name in arrays:
            del ARRAYS[name]
        ARRAYS.update(before)


def status(path):
    """Size and time of a file, as of ``os.stat``; of an array that is held its size."""
    if path not in ARRAYS:
        return os.stat(path)
    array = ARRAYS[path]
    size = int(np.prod(array.shape)) * np.dtype(array.dtype).itemsize
    return SimpleNamespace(st_size=size, st_mtime=0.0)


def values_of(array):
    """Return the array itself, or the one in an array of xarray's."""
    return array.data if hasattr(array, "coords") else array


def in_rows(array):
    """Return an array's rows (n, d), a view; raise ``CannotMap`` if they do not lie in memory one
    after the other.
    """
    array = values_of(array)
    is_plain = isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.aligned
    if not is_plain:
        raise CannotMap("does not have its rows one after the other in memory")
    if array.dtype.kind not in "iuf" or not array.dtype.isnative:
        raise CannotMap(f"has values of type {array.dtype.str}")
    return array.reshape(len(array), -1).view(np.ndarray)


class HeldInPlace:
    """As ``mapped.MappedRows``, of an array: its rows are there, and nothing is fetched."""

    def __init__(self, name):
        self._rows = in_rows(ARRAYS[name])
        self._rows.flags.writeable = False  # of this view

    def damage(self):
        """Nothing."""

    def rows(self, start, stop):
        """Rows start..stop−1: a view that cannot be written to."""
        return self._rows[start:stop]

    def fetch(self, start, stop):
        """Nothing has to be done."""

    drop = forget = fetch
