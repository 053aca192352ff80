"""Rows of arrays that this process holds: another format, whose files are names."""

import h5py
import numpy as np

from ..errors import DataError
from .held import ARRAYS, in_rows, values_of
from .lying import MADE, CannotMap
from .missing import is_north, read_attributes
from .opened import register
from .sparse import in_order
from .turned import Turned


class HeldRows(Turned):
    """Rows of a dense array, of numpy, or whatever can be sliced like one."""

    in_folders = False

    @classmethod
    def takes(cls, path):
        """Whether an array has this name."""
        return path in ARRAYS

    @classmethod
    def opened(cls, path, dataset, cache):
        """As of ``OpenRows``: of a sparse array ``HeldSparse``."""
        is_sparse = hasattr(ARRAYS[path], "indptr")
        return (HeldSparse if is_sparse else cls)(path, ARRAYS[path])

    def __init__(self, path, array):
        self.path, self._array = path, array
        self.extent, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        if not self.extent:
            raise DataError(f"{path} is a single value; rows are needed")
        self.turn(0)

    @property
    def chunk_rows(self):
        """As of ``OpenRows``: of those that have chunks, such as datasets of h5py."""
        chunks = getattr(self._array, "chunks", None)
        is_regular = chunks and all(isinstance(each, int) for each in chunks)
        return int(chunks[self._axis]) if is_regular else 1

    @property
    def attributes(self):
        """As of ``OpenRows``, of a dataset of h5py."""
        return read_attributes(self._array) if isinstance(self._array, h5py.Dataset) else {}

    def latitudes(self):
        """As of ``OpenRows``: of a coordinate of xarray's in degrees north."""
        for axis, name in enumerate(getattr(self._array, "dims", ())):
            found = self._array.coords.get(name)
            is_latitude = found is not None and is_north(found.attrs.get("units", ""))
            if is_latitude and axis != self._axis:
                shape = [1] * len(self.extent)
                shape[axis] = -1
                whole = np.broadcast_to(found.values.reshape(shape), self.extent)
                return np.take(whole, 0, axis=self._axis).ravel().astype(np.float64)
        raise DataError(f"{self.path} has no latitudes; give column_weights as an array")

    def read(self, start, stop, out):
        """As of ``OpenRows``."""
        self.gather(values_of(self._array), start, stop, out)

    def runs(self):
        """As of ``OpenRows``: all rows are in one run."""
        if self._axis:
            raise CannotMap("has its samples along another axis")
        in_rows(self._array)
        return np.array([[0, self.shape[0], 0]])


class HeldSparse(HeldRows):
    """Rows of a sparse array as scipy has them: CSR."""

    chunk_rows = 1
    attributes: dict = {}  # noqa: RUF012

    def turn(self, axis):
        """As of ``OpenRows``: samples are rows."""
        super().turn(axis)
        if self._axis:
            raise DataError(f"{self.name} is sparse: samples are its rows; transpose it")

    @property
    def stored(self):
        """As of ``OpenRows``."""
        return int(self._array.indptr[-1])

    def stored_in(self, start, stop):
        """As of ``OpenRows``."""
        return int(self._array.indptr[stop] - self._array.indptr[start])

    def ends_in(self, start, stop):
        """Where the values of rows start..stop−1 begin, and those of the last end."""
        return self._array.indptr[start : stop + 1].astype(np.int64)

    def read_stored(self, start, stop):
        """As of ``OpenRows``. Entries that are there several times are summed."""
        ends = self.ends_in(start, stop)
        taken = slice(int(ends[0]), int(ends[-1]))
        indices, values = self._array.indices[taken], self._array.data[taken]
        return in_order(indices, values, ends - ends[0])

    def read(self, start, stop, out):
        """As of ``OpenRows``."""
        values, indices, ends = self.read_stored(start, stop)
        out[...] = 0
        out[np.repeat(np.arange(len(out)), np.diff(ends)), indices] = values

    def runs(self):
        """As of ``OpenRows``."""
        raise CannotMap(MADE)


register("held", HeldRows)
