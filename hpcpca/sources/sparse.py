"""Rows of sparse matrices in HDF5: CSR and CSC of AnnData, and those of 10x. Blocks of rows are
made dense when they are read; the matrix never is.
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

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``; raise DataError or PlatformError."""
        try:
            ends = self._ends[start : stop + 1].astype(np.int64)
            first, last = int(ends[0]), int(ends[-1])
            if first < 0 or last > self._data.size or (np.diff(ends) < 0).any():
                raise DataError(f"{self.name}: ends of rows {start}–{stop - 1} make no sense")
            indices, values = self._indices[first:last], self._data[first:last]
        except OSError as error:
            for item in (self._ends, self._indices, self._data):
                check_filters(item, self.name)
            raise DataError(
                f"{self.name}: rows {start}–{stop - 1} cannot be read: {describe(error)}"
            ) from None
        width = out.shape[1]
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < width:
            raise DataError(
                f"{self.name}: rows {start}–{stop - 1} have entries outside of {width} columns"
            )
        at = np.repeat(width * np.arange(stop - start), np.diff(ends)) + indices
        out[...] = 0
        flat = out.reshape(-1)
        if len(at) < 2 or (np.diff(at) > 0).all():
            flat[at] = values
        else:  # in no order, or several for one entry, which are summed
            np.add.at(flat, at, values)

    def forget(self, start, stop):
        """As of ``OpenRows``: all of the file."""
        os.posix_fadvise(self._file.id.get_vfd_handle(), 0, 0, os.POSIX_FADV_DONTNEED)


Hdf5Rows.of_groups = SparseRows
