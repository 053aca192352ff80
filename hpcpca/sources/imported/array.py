"""Arrays in numpy's ``.npy`` format."""

import numpy as np

from ...errors import UsageError
from ..contents import element_type
from ..npy import NpyRows
from .chosen import chosen
from .file import PIECE_BYTES, ImportedFile


class NpyFile(ImportedFile):
    """One array, of any number of axes; the first is that of the samples."""

    suffixes = (".npy",)

    def __init__(self, path, how, dtype):
        super().__init__(path)
        with NpyRows(path) as opened:
            self.dtype = element_type(opened.dtype, path)
            self.count, width = opened.shape
            self.feature_shape = opened.extent[1:] if len(opened.extent) > 2 else ()
        self._width, self._numbers = width, chosen(how, None, width)
        if self._numbers is not None and self.feature_shape:
            raise UsageError(
                f"{path} has axes of {opened.extent}, no columns to choose; leave"
                " --columns or --skip-columns out"
            )
        self.columns = width if self._numbers is None else len(self._numbers)

    def read(self, start, stop):
        """Yield rows start..stop−1 in order."""
        with NpyRows(self.path) as opened:
            step = max(1, PIECE_BYTES // max(1, self._width * opened.dtype.itemsize))
            for first in range(start, stop, step):
                rows = np.empty((min(step, stop - first), self._width), self.dtype)
                opened.read(first, first + len(rows), rows)
                yield rows if self._numbers is None else rows[:, self._numbers]
