"""Vectors in the rows of an array in a file, read a few columns at a time."""

import numpy as np

from ..errors import DataError
from ..files.damage import reporting_damage
from ..files.opening import open_file
from .array import MALFORMED, read_array, refuse_special
from .hdf5 import find_dataset


class Vectors:
    """The ``shape`` (K, d) array in a ``.npy`` file, or in the ``dataset`` of an HDF5 file."""

    def __init__(self, path, dataset=None):
        """Open it; raise DataError if there is none of real numbers."""
        self.name = f"{path}:{dataset}" if dataset else path
        self._path, self._file = path, None
        if path.endswith(".npy"):
            refuse_special(path)
            self._array = _mapped(path)
        else:
            self._file = open_file(path)
            self._array = find_dataset(self._file, path, dataset)
        self.shape = self._array.shape
        if len(self.shape) != 2 or self._array.dtype.kind not in "iuf" or not self._array.size:
            raise DataError(
                f"{self.name} holds {self._array.dtype} of shape {self.shape}; vectors are rows of"
                " a (K, d) array of real numbers"
            )

    def columns(self, start, stop):
        """Columns start..stop−1: (K, stop − start) float64; raise DataError for NaN."""
        with reporting_damage(self._path):
            found = self._array[:, start:stop].astype(np.float64)
        if not np.isfinite(found).all():
            raise DataError(f"{self.name} holds NaN or Inf")
        return found

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _mapped(path):
    """The array of a ``.npy`` file, mapped; raise DataError if it is none."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, *MALFORMED):
        return read_array(path)  # which says what is wrong
