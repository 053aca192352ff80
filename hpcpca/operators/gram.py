"""Covariance operator that holds Σ itself (d×d, once per node): built in one read by block SYRK,
or given.
"""

import numpy as np

from ..errors import DataError, on_all_ranks
from .operator import Operator
from .products import ROUNDING

SLAB = 1 << 24  # elements of Σ summed over ranks at a time
CHECKED = 1 << 20  # of them, whose minors are looked at at a time
# tiles are at least this many times d rows, so that adding to the sum costs little beside the SYRK
TILE_ROWS = 2
TILE_BYTES = 64 << 20
NO_COVARIANCE = "give data rows without --covariance, or the covariance itself"
SYMMETRIC = {
    1: 0.0,
    2: 1e-2,
    4: 1e-5,
    8: 1e-8,
}  # largest asymmetry by the size of the type, over the largest entry

# largest negative eigenvalue that rounding may leave, over the largest entry; see SYMMETRIC
NEGATIVE = 1e-6


def negligible(dtype):
    """Part of the largest entry that a negative eigenvalue of a covariance of type ``dtype`` may
    have.
    """
    return max(NEGATIVE, SYMMETRIC[dtype.itemsize])


def tile_step(d, itemsize, default):
    """Rows multiplied at a time."""
    return int(max(default, min(TILE_ROWS * d, TILE_BYTES // (d * itemsize))))


class GramCovariance(Operator):
    """Σ as a matrix in float64, applied by every rank to its own columns without communication.

    ``build(double)`` → (Σ (d, d) scaled, on every rank of a node; Centring or None; exponent of Σ;
    its rounding). Collective.
    """

    def __init__(self, build, is_double, exchange, counters):
        self._build, self._exchange, self._counters = build, exchange, counters
        self.is_double = is_double
        self._take(*build(is_double))

    def _take(self, matrix, centring, exponent, rounding):
        self._matrix, self.centring, self.exponent, self.rounding, self.d = (
            matrix,
            centring,
            exponent,
            rounding,
            len(matrix),
        )
        self.n = centring and centring.count
        self.mean = centring and centring.mean
        self.total_variance = (
            float(np.trace(matrix)) if centring is None else centring.total_variance
        )
        if not self.total_variance > 0:
            raise on_all_ranks(
                DataError("the data have zero variance: there are no principal components")
            )

    def to_double(self):
        """Continue in float64: build Σ again. Images must be computed again. Collective."""
        self._take(*self._build(True))
        self.is_double = True

    def apply(self, panel, offsets):
        """Return the images (own, d) of this rank's columns; ``panel`` (c, d) holds its group's,
        ``offsets`` says who owns which of all.
        """
        self._counters.passes += 1
        with self._counters.time("apply"):
            return self._exchange.own_rows(panel, offsets) @ self._matrix


def accumulate_gram(pieces, total, sums, centring, counters, *, roots=None):
    """total (d, d) += Σ_B (B−c)ᵀ(B−c) and sums (2, d) += sums and sums of squares of all rows
    B−c over ``pieces``; float64.

    ``pieces`` yields (intervals, rows); return the intervals of those worked on. ``roots`` (n) are
    what rows are multiplied by.
    """
    finished, d = [], len(total)
    for taken, rows in pieces:
        some = None if roots is None else np.concatenate([roots[a:b] for a, b in taken])
        tiles = centring.tiles(rows, roots=some)
        tiles.step = tile_step(d, tiles.dtype.itemsize, tiles.step)
        buffer = tiles.buffer()
        with counters.time("apply"):
            for number in range(len(tiles)):
                tile = tiles.tile(number, buffer)
                tiles.add_sums_of(number, tile, sums)
                total += tile.T @ tile  # the same array on both sides: numpy calls SYRK
        finished += taken
    return finished


def rounding_of(diagonal, squares, work):
    """Error of a sum of products relative to its largest eigenvalue, judged by its diagonal
    against the true sums of squares (d).

    Sums in float32 lose more the more terms of one sign they have, so most on the diagonal.
    """
    errors = diagonal - squares
    return float(
        max(
            ROUNDING[work == np.float64],
            np.abs(errors).max() / squares.max(),
            abs(errors.sum()) / squares.sum(),
        )
    )


def sum_by_slabs(total, out, sum_over_ranks):
    """out ← Σ over ranks of total (d, d), slab by slab.

    Collective; ``out`` may be shared: None to skip.
    """
    step = max(1, SLAB // len(total))
    for start in range(0, len(total), step):
        slab = sum_over_ranks(total[start : start + step])
        if out is not None:
            out[start : start + step] = slab


def finish_gram(total, centring, out, sum_over_ranks):
    """out ← (Σ over ranks of total − n·δδᵀ)/divisor, slab by slab.

    Collective; ``out`` (d, d) may be shared: None to skip.
    """
    sum_by_slabs(total, out, sum_over_ranks)
    if out is None:
        return
    for row, offset in zip(out, centring.offset):
        row -= centring.count * (offset * centring.offset)  # symmetric to the last bit
        row /= centring.divisor
    if not np.isfinite(out).all():
        raise OverflowError("Σ is not finite at this scale")


def read_covariance(matrix, out, exponent):
    """out (d, d) ← matrix·2^−exponent; raise DataError if it is not symmetric, or no covariance."""
    out[:] = matrix
    np.ldexp(out, -exponent, out=out)
    largest, step = np.abs(out).max(initial=0.0), max(1, SLAB // len(out))
    for start in range(0, len(out), step):
        gap = np.abs(out[start : start + step] - out[:, start : start + step].T)
        if gap.max(initial=0.0) > SYMMETRIC[matrix.dtype.itemsize] * largest:
            row, column = np.unravel_index(gap.argmax(), gap.shape)
            raise DataError(
                f"the covariance is not symmetric: entries ({start + row}, {column}) and ({column},"
                f" {start + row}) differ by {np.ldexp(gap.max(), exponent):.3g}; give data rows"
                " without --covariance, or symmetrise it"
            )
    _check_minors(out, negligible(matrix.dtype) * largest, exponent)


def _check_minors(matrix, least, exponent):
    """Raise DataError if two features have impossible variances and covariance.

    Then their 2×2 minor has an eigenvalue below −``least``, and so has the matrix.
    """
    variances, step = np.diag(matrix), max(1, CHECKED // len(matrix))
    for start in range(0, len(matrix), step):
        own = variances[start : start + step, None]
        smallest = (own + variances) / 2 - np.hypot(
            (own - variances) / 2, matrix[start : start + step]
        )
        if smallest.min() < -least:
            row, column = np.unravel_index(smallest.argmin(), smallest.shape)
            _refuse_minor(matrix, start + row, column, least, exponent)


def _refuse_minor(matrix, i, j, least, exponent):
    (a, c), (_, b) = np.ldexp(matrix[np.ix_((i, j), (i, j))], exponent)
    told = next(
        (
            f"entry ({k}, {k}) is {value:.4g}, and no variance is negative"
            for k, value in ((i, a), (j, b))
            if np.ldexp(value, -exponent) < -least / 2
        ),
        f"entry ({i}, {j}) is {c:.4g}, and the variances ({i}, {i}) and ({j}, {j}) are {a:.4g} "
        f"and {b:.4g}: no correlation exceeds 1",
    )
    raise DataError(f"the matrix is not a covariance: {told}; {NO_COVARIANCE}")
