"""Shift and scale of the rows, and the mean that the shift leaves."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError, on_all_ranks
from ..kernels.tiles import Tiles

# of a standard deviation, over all columns: a shift further than this from the mean costs accuracy
FAR = 0.1
LARGEST_FLOAT32 = 120  # binary exponents that float32 data can be scaled by


def work_type(dtype, double):
    """Type that rows of ``dtype`` are multiplied in: float32 for float16, float32 and integers
    up to 16 bits.
    """
    small = dtype.itemsize <= 2 or dtype == np.float32
    return np.dtype(np.float32 if small and not double else np.float64)


def is_whole(dtype):
    """Whether values are integers: a shift that is one too leaves differences, and many of their
    products, without rounding.
    """
    return dtype.kind in "iu"


def shift_type(dtype, work):
    """Type of the shift: 64-bit integers are shifted exactly in their own type, all else in the
    work type.
    """
    return dtype if dtype.kind in "iu" and dtype.itemsize == 8 else work


def exponent_of(largest, work):
    """Binary exponent e such that data up to ``largest`` times 2⁻ᵉ are at most 1, within the
    range of the work type.
    """
    exponent = int(np.frexp(largest)[1])
    return (
        int(np.clip(exponent, -LARGEST_FLOAT32, LARGEST_FLOAT32))
        if work == np.float32
        else int(np.clip(exponent, -1020, 1020))
    )


class Moments:
    """Count, mean and sum of squared deviations per column, merged tile by tile and then over
    ranks.
    """

    def __init__(self, d, kernels):
        self.count, self.mean, self.squares, self.kernels = 0, np.zeros(d), np.zeros(d), kernels

    def add(self, tile, roots=None):
        """Merge the rows of a tile (r, d), which are deviations times ``roots`` (r) of weights."""
        if roots is None:
            if len(tile):
                self.count = self.kernels.accumulate(tile, self.count, self.mean, self.squares)
            return
        weight = float(roots @ roots)
        if weight:
            mean = roots @ tile / weight
            gaps = tile - np.outer(roots, mean)
            squares = np.einsum("ij,ij->j", gaps, gaps)
            self.count = self.kernels.merge(
                self.count, self.mean, self.squares, weight, mean, squares
            )

    def merge(self, other):
        """Merge the moments of other rows."""
        self.count = self.kernels.merge(
            self.count, self.mean, self.squares, other.count, other.mean, other.squares
        )

    def merge_over_ranks(self, total):
        """Merge those of all ranks; ``total(array)`` sums an array over ranks in place.

        Collective.
        """
        joint = total(np.concatenate([[self.count], self.count * self.mean]))
        if joint[0]:
            mean = joint[1:] / joint[0]
            self.squares += self.count * (self.mean - mean) ** 2
            self.count, self.mean = round(joint[0]), mean
            total(self.squares)
        return self


@dataclass
class Centring:
    """Rows y become (y − shift)·2^−exponent in the work type; ``offset`` (d) is the mean of those.

    ``whole`` keeps the shift to integers. Rows that are not ``is_centred`` have no shift, and their
    mean counts as 0.
    """

    shift: np.ndarray
    exponent: int
    work: np.dtype
    kernels: object
    whole: bool = False
    offset: np.ndarray | None = None
    count: int = 0
    squares: np.ndarray | None = None
    is_centred: bool = True

    @property
    def divisor(self):
        """What sums of products are divided by."""
        return self.count - 1 if self.is_centred else self.count

    @property
    def scale(self):
        """What deviations are multiplied by."""
        return np.ldexp(1.0, -self.exponent)

    def tiles(self, rows, dtype=None, roots=None):
        """The rows (r, d), centred and scaled, and times ``roots`` (r) if there are, as tiles."""
        dtype, shift = np.dtype(dtype or self.work), self.shift
        if dtype == np.float64 and shift.dtype.kind == "f":
            shift = shift.astype(np.float64, copy=False)
        return Tiles(rows, shift, self.scale, dtype, self.kernels, roots=roots)

    def measured(self, moments):
        """Take over the moments of all rows, as centred by this."""
        self.offset, self.count, self.squares = moments.mean, moments.count, moments.squares
        if not self.is_centred:
            self.squares = self.squares + self.count * self.offset**2
            self.offset = np.zeros_like(self.offset)
        return self

    def measured_by_sums(self, count, sums, squares):
        """The same shift and scale, with what all rows, so centred, add up to: sums (d) and sums
        of squares (d).
        """
        offset = sums / count if self.is_centred else np.zeros_like(sums)
        return replace(
            self,
            offset=offset,
            count=int(count),
            squares=np.maximum(squares - count * offset**2, 0.0),
        )

    @property
    def mean(self):
        """Mean of the rows: (d) float64."""
        return self.shift.astype(np.float64) + np.ldexp(self.offset, self.exponent)

    @property
    def total_variance(self):
        """Sum of the columns' variances, scaled."""
        return float(self.squares.sum()) / self.divisor

    def is_off(self):
        """Whether the mean turned out too far from the shift: what is taken off in the end then
        costs digits of what is left.

        A shift that is as near as integers allow is near enough: columns of integers vary about as
        much as it may be off.
        """
        far = float(self.offset @ self.offset) > FAR**2 * self.total_variance
        return far and bool((self._moved() != self.shift).any())

    def at_the_mean(self, exponent=None):
        """The same with the shift moved to the mean, as near as its type has it, and possibly
        another scale.
        """
        moved = self._moved() if self.is_centred else self.shift
        exponent = self.exponent if exponent is None else exponent
        gap = _difference(moved, self.shift)
        offset = np.ldexp(self.offset - np.ldexp(gap, -self.exponent), self.exponent - exponent)
        squares = np.ldexp(self.squares, 2 * (self.exponent - exponent))
        return replace(self, shift=moved, exponent=exponent, offset=offset, squares=squares)

    def _moved(self):
        """The shift moved to the mean."""
        step = np.ldexp(self.offset, self.exponent)
        return _moved(self.shift, np.rint(step) if self.whole else step)

    def in_double(self):
        """The same, for products in float64."""
        shift = self.shift.astype(np.float64) if self.shift.dtype == np.float32 else self.shift
        return replace(self, work=np.dtype(np.float64), shift=shift)

    def check_variance(self):
        """Raise DataError if no column varies."""
        if not self.squares.any():
            raise on_all_ranks(
                DataError(
                    "the data have zero variance: every row is the same; there are no principal"
                    " components"
                    if self.is_centred
                    else "the data are zero everywhere; there are no principal components"
                )
            )


def _moved(shift, step):
    """shift + step in the type of the shift, within its range."""
    if shift.dtype.kind not in "iu":
        return (shift + step).astype(shift.dtype)
    limits = np.iinfo(shift.dtype)
    return np.array(
        [min(max(int(c) + round(float(s)), limits.min), limits.max) for c, s in zip(shift, step)],
        dtype=shift.dtype,
    )


def _difference(a, b):
    """a − b as float64, exact before rounding for integers."""
    if a.dtype.kind in "iu":
        return np.array([float(int(x) - int(y)) for x, y in zip(a, b)])
    return a.astype(np.float64) - b.astype(np.float64)


def first_shift(row, work, is_centred=True):
    """A row (d) as provisional shift; zeros, if rows are taken as they are."""
    shift = row.astype(shift_type(row.dtype, work))
    return shift if is_centred else np.zeros_like(shift)
