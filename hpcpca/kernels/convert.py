"""Rows of any real type → scaled deviations from a shift, in the type the products are computed in."""

import numpy as np
from numba import types
from numba.extending import overload

from .jit import exact


def deviation(x, c):
    """x − c; for 64-bit integers exact before it is rounded to float64, even where the difference overflows int64."""
    return x - c


@overload(deviation)
def _deviation(x, c):
    if isinstance(c, types.Integer):
        def integers(x, c):
            # modulo 2⁶⁴ the difference of the larger and the smaller is exact as an unsigned number
            return np.float64(np.uint64(x) - np.uint64(c)) if x >= c else -np.float64(np.uint64(c) - np.uint64(x))
        return integers
    if c == types.float32:
        return lambda x, c: np.float32(x) - c
    return lambda x, c: np.float64(x) - c


@exact
def scaled_deviations(rows, shift, scale, out):
    """out ← (rows − shift)·scale.

    rows (r, d) of any real type but float16; shift (d) and scale: float32 or float64 as ``out``, or shift of the rows'
    own 64-bit integer type; out (r, d) float32 or float64.
    """
    for i in range(rows.shape[0]):
        row, target = rows[i], out[i]
        for j in range(row.shape[0]):
            target[j] = deviation(row[j], shift[j]) * scale
