"""Products with a single vector, where memory traffic is all: every row is read once for both
products, and the next rows are fetched while these are in cache.
"""

from .convert import deviation
from .jit import Intrinsic, compiled

NARROW = 8192  # columns of which eight rows, and eight more, stay in the second cache


def _in_registers(kind, *how):
    """A kernel of ``vector_registers``."""

    def make():
        from . import vector_registers

        return getattr(vector_registers, kind)(*how)

    return Intrinsic(make)


_dots8, _dots4 = (_in_registers("dots", count) for count in (8, 4))
_sums8, _sums4 = _in_registers("sums_of", 8, True), _in_registers("sums_of", 4, False)


@compiled
def _finish_dots(rows, shift, square, vector, sums, done):
    """sums ← square·(sums + rows·vector in the columns from ``done`` on)."""
    for i in range(rows.shape[0]):
        row, a = rows[i], sums[i]
        for j in range(done, vector.shape[0]):
            a += deviation(row[j], shift[j]) * vector[j]
        sums[i] = a * square


@compiled
def _add_four(rows, shift, sums, part, done):
    """part (d) += Σ_i sums_i·(row_i − shift) for four rows in the columns from ``done`` on."""
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    a0, a1, a2, a3 = sums[0], sums[1], sums[2], sums[3]
    for j in range(done, part.shape[0]):
        c = shift[j]
        part[j] += (
            a0 * deviation(r0[j], c)
            + a1 * deviation(r1[j], c)
            + a2 * deviation(r2[j], c)
            + a3 * deviation(r3[j], c)
        )


@compiled
def _eight_rows(rows, i, shift, square, vector, part, sums):
    """``add_gram_vector`` for eight rows, from number i on."""
    sums[:] = 0
    done = _dots8(rows, i, shift, vector, sums)
    _finish_dots(rows[i : i + 8], shift, square, vector, sums, done)
    done = _sums8(rows, i, shift, sums, part)
    _add_four(rows[i : i + 4], shift, sums, part, done)
    _add_four(rows[i + 4 : i + 8], shift, sums[4:], part, done)


@compiled
def _four_rows(rows, i, shift, square, vector, part, sums):
    """``add_gram_vector`` for four rows, from number i on; long ones leave no room in cache for the
    next.
    """
    sums[:] = 0
    done = _dots4(rows, i, shift, vector, sums)
    _finish_dots(rows[i : i + 4], shift, square, vector, sums, done)
    done = _sums4(rows, i, shift, sums, part)
    _add_four(rows[i : i + 4], shift, sums, part, done)


@compiled
def _one_row(row, shift, square, vector, part):
    """``add_gram_vector`` for one row."""
    a = vector[0] - vector[0]
    for j in range(vector.shape[0]):
        a += deviation(row[j], shift[j]) * vector[j]
    a *= square
    for j in range(vector.shape[0]):
        part[j] += a * deviation(row[j], shift[j])


@compiled
def add_gram_vector(rows, shift, square, vector, part, sums):
    """part (d) += square·BᵀBv for B = rows − shift, of which nothing is stored: converting twice
    is cheaper than writing it down.

    rows (r, d) of any type but float16, shift (d) as of ``convert.scaled_deviations``, square,
    vector and part (d) of B's type, sums (8) scratch of it. 1-D views: 2-D indexing inside the
    loops costs a factor of two.
    """
    i = 0
    if vector.shape[0] <= NARROW:
        while i + 8 <= rows.shape[0]:
            _eight_rows(rows, i, shift, square, vector, part, sums)
            i += 8
    while i + 4 <= rows.shape[0]:
        _four_rows(rows, i, shift, square, vector, part, sums)
        i += 4
    while i < rows.shape[0]:
        _one_row(rows[i], shift, square, vector, part)
        i += 1
