"""Rows of sparse matrices in HDF5: CSR and CSC of AnnData, and those of 10x. They are read as they
are stored, or made dense block by block; the matrix never is.
"""

import os

import numpy as np

from ..errors import DataError, describe
from .contents import MEMBERS, sparse_kind, sparse_shape
from .hdf5 import Hdf5Rows, check_filters
from .links import check_values


class SparseRows(Hdf5Rows):
    """Samples along the axis that is compressed: rows of CSR, columns of CSC."""

    def look(self):
        """As of ``Hdf5Rows``."""
        self._data, self._indices, self._ends = (self._item[name] for name in MEMBERS)
        shape = sparse_shape(self._item)
        self._along = int(sparse_kind(self._item) == "sparse CSC")
        if shape is None or len(shape) != 2 or self._ends.shape != (shape[self._along] + 1,):
            raise DataError(
                f"{self.name} is a sparse matrix of shape {shape} with {self._ends.size} ends of"
                " rows; check its export"
            )
        if self._data.shape != self._indices.shape or self._indices.dtype.kind not in "iu":
            raise DataError(
                f"{self.name} has {self._data.shape} values and {self._indices.shape} indices"
                f" ({self._indices.dtype}); check its export"
            )
        self.extent, self.dtype = shape, self._data.dtype

    def turn(self, axis):
        """As of ``OpenRows``. Another axis is refused when rows are asked for."""
        super().turn(axis)
        self._is_turned = self._axis == self._along

    chunks = None
    attributes: dict = {}  # noqa: RUF012

    @property
    def is_filtered(self):
        """Whether values are compressed."""
        return self._data.id.get_create_plist().get_nfilters() > 0

    def check(self, follow_links, is_whole):
        """As of ``OpenRows``, for all three datasets."""
        self._refuse_turned()
        for name in MEMBERS:
            item = self._item[name]
            check_values(item, self.path, f"{self.name}/{name}", follow_links, is_whole)

    def _refuse_turned(self):
        if not self._is_turned:
            how, axis = ("CSC", 1) if self._along else ("CSR", 0)
            raise DataError(
                f"{self.name} is sparse {how}: samples along axis {self._axis} are all over the"
                f" file; give --samples-axis {axis} if they lie along that one, or write it as"
                f" {'CSR' if self._along else 'CSC'}"
            )

    @property
    def stored(self):
        """As of ``OpenRows``."""
        return self._data.size

    def read_stored(self, start, stop):
        """As of ``OpenRows``. Entries that are there several times are summed."""
        ends = self._ends_of(start, stop + 1)
        first, last = int(ends[0]), int(ends[-1])
        try:
            indices, values = self._indices[first:last], self._data[first:last]
        except OSError as error:
            self._cannot_be_read(error, f"values {first}–{last - 1}")
        ends, width = ends - first, self.shape[1]
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < width:
            raise DataError(
                f"{self.name}: rows {start}–{stop - 1} have entries outside of {width} columns"
            )
        return _in_order(values, indices, ends)

    def stored_in(self, start, stop):
        """As of ``OpenRows``."""
        if start == stop:
            return 0
        first, last = (int(self._ends_of(each, each + 1)[0]) for each in (start, stop))
        if first > last:
            raise DataError(f"{self.name}: ends of rows {start}–{stop - 1} make no sense")
        return last - first

    def ends_in(self, start, stop):
        """Where the values of rows start..stop−1 begin, and those of the last end; raise
        DataError.
        """
        return self._ends_of(start, stop + 1)

    def _ends_of(self, start, stop):
        """Ends start..stop−1, int64; raise DataError if they make no sense."""
        try:
            ends = self._ends[start:stop].astype(np.int64)
        except OSError as error:
            self._cannot_be_read(error, f"ends of rows {start}–{stop - 1}")
        if ends[0] < 0 or ends[-1] > self._data.size or (np.diff(ends) < 0).any():
            raise DataError(f"{self.name}: ends of rows {start}–{stop - 2} make no sense")
        return ends

    def _cannot_be_read(self, error, what):
        for item in (self._ends, self._indices, self._data):
            check_filters(item, self.name)
        raise DataError(f"{self.name}: {what} cannot be read: {describe(error)}") from None

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``; raise DataError or PlatformError."""
        values, indices, ends = self.read_stored(start, stop)
        out[...] = 0
        out[np.repeat(np.arange(len(out)), np.diff(ends)), indices] = values

    def forget(self, start, stop):
        """As of ``OpenRows``: all of the file."""
        os.posix_fadvise(self._file.id.get_vfd_handle(), 0, 0, os.POSIX_FADV_DONTNEED)


def _in_order(values, indices, ends):
    """The same values, indices and ends, with every entry once, in the order of columns."""
    is_later = np.diff(indices) > 0
    starts = ends[1:-1]
    is_later[starts[(starts > 0) & (starts < len(indices))] - 1] = True  # a new row
    if is_later.all():
        return values, indices, ends
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    order = np.lexsort((indices, rows))
    rows, indices, values = rows[order], indices[order], values[order]
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (np.diff(rows) > 0) | (np.diff(indices) > 0)
    first = np.flatnonzero(is_new)
    summed = np.add.reduceat(values, first).astype(values.dtype)
    counts = np.bincount(rows[first], minlength=len(ends) - 1)
    return summed, indices[first], np.concatenate([[0], np.cumsum(counts)])


Hdf5Rows.of_groups = SparseRows
