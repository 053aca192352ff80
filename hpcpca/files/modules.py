"""A file with X and Y of many modules, as ``regress --modules`` reads it, written by and by."""

import os
from contextlib import ExitStack

import numpy as np

from .formats import MADE_BY
from .hdf5 import writing
from .outputs import check_output, whole

CHUNK = 1 << 18  # bytes


class ModuleWriter:
    """Context in which rows of modules are appended to a file at ``path``, which is there at the
    end of it, and only if no error left it. For one rank; raises DataError.
    """

    def __init__(self, path, overwrite=False):
        path = os.fspath(path)
        check_output(path, "path", overwrite)
        self.path, self._stack, self._file = path, ExitStack(), None
        self._is_writing = True

    def __enter__(self):
        part = self._stack.enter_context(whole(self.path))
        self._file = self._stack.enter_context(writing(part))
        self._file.attrs[MADE_BY] = "hpcpca adapters"
        self._is_writing = False
        return self

    def __exit__(self, kind, error, trace):
        self._file = None
        if error is None or self._is_writing:
            return self._stack.__exit__(kind, error, trace)
        given_up = _GivenUp()  # the caller's error is none of HDF5, and stays what it is
        self._stack.__exit__(_GivenUp, given_up, None)
        return False

    def append(self, name, x, y):
        """Append rows x (n, d) and y (n, q) to a module; points in its name become groups."""
        self._is_writing = True
        for side, rows in (("X", x), ("Y", y)):
            key = f"{name.replace('.', '/')}/{side}"
            if key not in self._file:
                width = rows.shape[1]
                chunk = max(1, CHUNK // max(1, width * rows.itemsize))
                self._file.create_dataset(
                    key, (0, width), rows.dtype, maxshape=(None, width), chunks=(chunk, width)
                )
            held = self._file[key]
            start = len(held)
            held.resize(start + len(rows), axis=0)
            held[start:] = np.ascontiguousarray(rows)
        self._is_writing = False


class _GivenUp(Exception):
    """What closes the file, and lets nothing of it stay."""
