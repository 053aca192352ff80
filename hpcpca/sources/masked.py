"""Arrays whose missing entries are masked, as those of numpy.ma and variables of netCDF4 are: NaN
stands for them here, so that none of the values beneath is ever taken for data.
"""

import h5py
import numpy as np


def unmasked(data):
    """Return ``data`` as an array of numpy with NaN where it is masked: numbers and truth values
    are float64 then, if they are not floating. What has no masked entries is not copied.
    """
    if isinstance(data, list | tuple) and any(isinstance(each, np.ma.MaskedArray) for each in data):
        data = np.ma.array(data)
    array = np.asanyarray(data)
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    values = array.data
    if not np.ma.is_masked(array) or values.dtype.kind not in "biufcO":
        return values  # what are no numbers are refused by who reads them
    return array.astype(_with_nan(values.dtype)).filled(np.nan)


def in_pieces(data):
    """Return what can be sliced like an array so that no slice is masked."""
    has_none = isinstance(data, h5py.Dataset) or hasattr(data, "coords")
    return data if has_none else Unmasked(data)


def _with_nan(kind):
    """The type that NaN and values of a type go into."""
    return np.dtype(np.float64) if kind.kind in "biu" else np.dtype(kind)


class Unmasked:
    """What can be sliced like an array, as ``unmasked`` makes it piece by piece.

    Its type is that of the slices: variables of netCDF4 with a scale, stored as integers, give
    floating numbers. Integers whose slices may be masked are float64.
    """

    def __init__(self, data):
        self._data = data
        self.shape = tuple(data.shape)
        some = np.asanyarray(data[:1]) if self.shape and self.shape[0] else data
        may_have = isinstance(some, np.ma.MaskedArray) or getattr(data, "mask", False) is True
        self.dtype = _with_nan(some.dtype) if may_have else np.dtype(some.dtype)

    @property
    def ndim(self):
        """How many axes there are."""
        return len(self.shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, where):
        found = unmasked(self._data[where])
        return found.astype(self.dtype, copy=False)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[...], dtype)

    def __getattr__(self, name):
        """What else the array has: ``chunks``, ``dims``."""
        if name == "_data":
            raise AttributeError(name)
        return getattr(self._data, name)
