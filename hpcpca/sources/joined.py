"""Datasets side by side: the columns of one after those of the other."""

import numpy as np

from .opened import OpenRows


class JoinedRows(OpenRows):
    """Open rows of several datasets that have as many rows, as one. Closes them all."""

    def __init__(self, members, dtype):
        self._members, self.dtype = members, dtype
        self.path, self.dataset = members[0].path, ""
        self._edges = np.cumsum([0, *(each.shape[1] for each in members)])
        self.shape = self.extent = members[0].shape[0], int(self._edges[-1])
        self.is_filtered = any(each.is_filtered for each in members)

    @property
    def chunk_rows(self):
        """As of ``OpenRows``: of the tallest chunks."""
        return max(each.chunk_rows for each in self._members)

    def read(self, start, stop, out):
        """As of ``OpenRows``."""
        for each, first, last in zip(self._members, self._edges, self._edges[1:]):
            rows = np.empty((stop - start, last - first), each.dtype)
            each.read(start, stop, rows)
            out[:, first:last] = rows

    def forget(self, start, stop):
        """As of ``OpenRows``."""
        for each in self._members:
            each.forget(start, stop)

    def close(self):
        """Close the files."""
        for each in self._members:
            each.close()
