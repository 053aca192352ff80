"""Rows out of any axis of an array."""

from math import prod

import numpy as np

from ..errors import DataError
from .opened import OpenRows

SLICE_BYTES = 8 << 20  # at a time, where rows are gathered from along another axis


class Turned(OpenRows):
    """What formats of arrays of any dimension have in common. They set ``extent``, the lengths of
    the axes, and then ``turn(0)``.
    """

    _axis = 0
    extent: tuple = ()

    def turn(self, axis):
        """As of ``OpenRows``: any axis of the array."""
        count = len(self.extent)
        if not -count <= axis < count:
            raise DataError(
                f"{self.name} has {count} axes, of {self.extent}; --samples-axis {axis} is none of"
                " them"
            )
        self._axis = axis % count
        self.shape = self.along(self.extent)

    def along(self, lengths):
        """(Length of the samples' axis, product of the others)."""
        axis = self._axis
        return lengths[axis], prod(lengths[:axis] + lengths[axis + 1 :])

    def gather(self, array, start, stop, out):
        """Put rows start..stop−1 of what can be indexed like an array into ``out``, a few at a
        time.
        """
        step = max(1, SLICE_BYTES // max(1, self.shape[1] * self.dtype.itemsize))
        step = max(step // self.chunk_rows * self.chunk_rows, min(step, self.chunk_rows))
        before = (slice(None),) * self._axis
        for first in range(start, stop, step):
            last = min(stop, first + step)
            values = np.moveaxis(array[(*before, slice(first, last))], self._axis, 0)
            out[first - start : last - start] = values.reshape(last - first, -1)
