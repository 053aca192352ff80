"""Rows of any real type → scaled deviations from a shift, in the type the products are computed
in.
"""

import numpy as np

from .jit import Intrinsic, exact

MENDED = np.float32(2.0**112)  # between the exponents' offsets of float16 and float32


@Intrinsic
def deviation():
    """x − c; for 64-bit integers exact before it is rounded to float64, even where the
    difference overflows int64.
    """
    from .deviation import deviation

    return deviation


def scaled_deviations(rows, shift, scale, out):
    """out ← (rows − shift)·scale.

    rows (r, d) of any real type; shift (d) and scale: float32 or float64 as ``out``, or shift of
    the rows' own 64-bit integer type; out (r, d) float32 or float64.
    """
    if rows.dtype == np.float16:
        row = np.empty(rows.shape[1], np.float32)
        convert_halves(rows.view(np.uint16), shift, scale, row, row.view(np.int32), out)
    else:
        convert(rows, shift, scale, out)


@exact
def convert_halves(bits, shift, scale, row, as_bits, out):
    """``convert`` for float16, which Numba has not, by its bits (uint16): moved to where float32
    has them, and the exponent mended. row (d) float32 is scratch, ``as_bits`` the same as int32.

    Finite values only: an infinity would come out as 65536.
    """
    for i in range(bits.shape[0]):
        halves, target = bits[i], out[i]
        for j in range(halves.shape[0]):
            half = np.int32(halves[j])
            as_bits[j] = (half & 0x7FFF) << 13 | (half & 0x8000) << 16
        for j in range(halves.shape[0]):
            target[j] = deviation(row[j] * MENDED, shift[j]) * scale


@exact
def convert(rows, shift, scale, out):
    """``scaled_deviations`` for types that Numba has."""
    for i in range(rows.shape[0]):
        row, target = rows[i], out[i]
        for j in range(row.shape[0]):
            target[j] = deviation(row[j], shift[j]) * scale
