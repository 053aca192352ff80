"""Rows of sparse matrices in HDF5: CSR and CSC of AnnData, and those of 10x. They are read as they
are stored, or made dense block by block; the matrix never is.
"""

import os

import numpy as np

from ..errors import DataError, describe
from .contents import MEMBERS, sparse_kind, sparse_shape
from .hdf5 import Hdf5Rows, check_filters
from .links import check_values
from .lying import MADE, CannotMap

BLOCKS = 64  # that samples are read in, at least, where each reading goes through the whole file
AT_ONCE = 4 << 20  # values looked at at a time then


class SparseRows(Hdf5Rows):
    """Samples along the axis that is compressed: rows of CSR, columns of CSC. Those along the other
    axis are all over the file, and all of it is gone through for every block of them.
    """

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

    chunks = None
    attributes: dict = {}  # noqa: RUF012

    @property
    def is_filtered(self):
        """Whether values are compressed."""
        return self._data.id.get_create_plist().get_nfilters() > 0

    def check(self, follow_links, is_whole):
        """As of ``OpenRows``, for all three datasets."""
        for name in MEMBERS:
            item = self._item[name]
            check_values(item, self.path, f"{self.name}/{name}", follow_links, is_whole)

    @property
    def chunk_rows(self):
        """As of ``OpenRows``: of samples that are all over the file, many are read at once."""
        return 1 if self._is_along else -(-self.shape[0] // BLOCKS)

    @property
    def _is_along(self):
        return self._axis == self._along

    @property
    def stored(self):
        """As of ``OpenRows``."""
        return self._data.size

    def read_stored(self, start, stop):
        """As of ``OpenRows``. Entries that are there several times are summed."""
        if not self._is_along:
            return self._gathered(start, stop)
        ends = self._ends_of(start, stop + 1)
        first, last = int(ends[0]), int(ends[-1])
        indices, values = (
            self._slice(self._indices, first, last),
            self._slice(self._data, first, last),
        )
        return in_order(self._checked(indices, self.shape[1]), values, ends - first)

    def _slice(self, item, first, last):
        try:
            return item[first:last]
        except OSError as error:
            self._cannot_be_read(error, f"values {first}–{last - 1}")

    def _checked(self, indices, count):
        """Indices, if they are below ``count``; raise DataError."""
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < count:
            what = "columns" if self._is_along else "rows"
            raise DataError(f"{self.name} has entries outside of {count} {what}")
        return indices

    def _gathered(self, start, stop):
        """``read_stored`` where samples are all over the file."""
        rows, columns, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], []
        for index, column, first, last in self._pieces():
            taken = np.flatnonzero((index >= start) & (index < stop))
            rows.append(index[taken] - start)
            columns.append(column[taken])
            values.append(self._slice(self._data, first, last)[taken])
        rows, columns = np.concatenate(rows).astype(np.int64), np.concatenate(columns)
        order = np.argsort(rows, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=stop - start))])
        taken = np.concatenate(values) if values else np.zeros(0, self.dtype)
        return in_order(columns[order], taken[order], ends)

    def _pieces(self):
        """Yield (numbers of samples, their columns, first value, the one after the last) of some
        columns at a time, where samples are all over the file.
        """
        width = self.shape[1]
        ends, start = self._ends_of(0, width + 1), 0
        while start < width:
            stop = max(start + 1, int(np.searchsorted(ends, ends[start] + AT_ONCE, "right")) - 1)
            first, last = int(ends[start]), int(ends[stop])
            index = self._checked(self._slice(self._indices, first, last), self.shape[0])
            counts = np.diff(ends[start : stop + 1])
            yield index, np.repeat(np.arange(start, stop, dtype=np.int32), counts), first, last
            start = stop

    def stored_in(self, start, stop):
        """As of ``OpenRows``."""
        if start == stop:
            return 0
        if not self._is_along:
            return int(self.ends_in(start, stop)[-1])
        first, last = (int(self._ends_of(each, each + 1)[0]) for each in (start, stop))
        if first > last:
            raise DataError(f"{self.name}: ends of rows {start}–{stop - 1} make no sense")
        return last - first

    def ends_in(self, start, stop):
        """Where the values of rows start..stop−1 begin, and those of the last end; raise
        DataError.
        """
        if self._is_along:
            return self._ends_of(start, stop + 1)
        counts = np.zeros(self.shape[0], np.int64)
        for index, *_ in self._pieces():
            counts += np.bincount(index, minlength=len(counts))
        return np.concatenate([[0], np.cumsum(counts[start:stop])])

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

    def runs(self):
        """As of ``OpenRows``."""
        raise CannotMap(MADE)

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``; raise DataError or PlatformError."""
        values, indices, ends = self.read_stored(start, stop)
        out[...] = 0
        out[np.repeat(np.arange(len(out)), np.diff(ends)), indices] = values

    def forget(self, start, stop):
        """As of ``OpenRows``: all of the file."""
        os.posix_fadvise(self._file.id.get_vfd_handle(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_order(indices, values, ends):
    """Values, indices and ends with every entry once, in the order of columns."""
    is_later = indices[1:] > indices[:-1]
    starts = ends[1:-1]
    is_later[starts[(starts > 0) & (starts < len(indices))] - 1] = True  # a new row
    if is_later.all():
        return values, indices, ends
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    order = np.lexsort((indices, rows))
    rows, indices, values = rows[order], indices[order], values[order]
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (rows[1:] > rows[:-1]) | (indices[1:] > indices[:-1])
    first = np.flatnonzero(is_new)
    summed = np.add.reduceat(values, first).astype(values.dtype)
    counts = np.bincount(rows[first], minlength=len(ends) - 1)
    return summed, indices[first], np.concatenate([[0], np.cumsum(counts)])


Hdf5Rows.of_groups = SparseRows
