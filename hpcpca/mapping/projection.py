"""Rows to scores of given components and back: S = (Y − 1μᵀ)Vᵀ and Y ≈ SV + 1μᵀ.

Arrays in, arrays out.

Scores are centred by a shift c near μ in a type wide enough, multiplied in the type of V, and then
moved by (c − μ)Vᵀ in float64: nothing cancels, whatever the ratio of mean and standard deviation.
"""

import numpy as np

from ..errors import DataError
from ..kernels.tiles import Tiles, tile_rows
from ..operators.centring import exponent_of, shift_type

WIDE_TILE_BYTES = 32 << 20  # of tiles that are made longer because V does not stay in cache
# products added in float32; all 2,000 of them left errors of 1.2e-6 of the largest score, 64 leave
# 4e-7
SUMMED = 64


def shift_near(mean, dtype, work):
    """Return c, the mean (d) float64 rounded to what rows of ``dtype`` are shifted in, and c −
    mean (d) float64.
    """
    kind = shift_type(np.dtype(dtype), np.dtype(work))
    if kind.kind == "f":
        limits = np.finfo(kind)
        shift = np.clip(mean, limits.min, limits.max).astype(kind)
        return shift, shift.astype(np.float64) - mean
    limits = np.iinfo(kind)  # Python's integers: float64 has not all of 64 bits
    shift = [min(max(round(value), limits.min), limits.max) for value in mean.tolist()]
    gap = [
        float(near - round(value)) + (round(value) - value)
        for near, value in zip(shift, mean.tolist())
    ]
    return np.array(shift, kind), np.array(gap)


def tile_step(d, count, itemsize):
    """Rows multiplied at a time: twice as many as components where that is affordable, so that
    reading V costs little.
    """
    return max(tile_rows(d, itemsize), min(2 * count, WIDE_TILE_BYTES // (d * itemsize)))


class Scoring:
    """Scores of rows: (Y − 1μᵀ)Vᵀ, divided by ``lengths``."""

    def __init__(self, components, mean, dtype, lengths, kernels, *, team):
        """Prepare for rows of ``dtype``; components (K, d) in the type of the products, mean (d)
        and lengths (K) float64.
        """
        self.components, self.lengths, self._kernels, self._team = (
            components,
            lengths,
            kernels,
            team,
        )
        self.shift, gap = shift_near(mean, dtype, components.dtype)
        self.offset = np.array([vector @ gap for vector in components])
        self._largest_shift = max(abs(float(self.shift.min())), abs(float(self.shift.max())))

    @staticmethod
    def scratch(d, count, work):
        """Bytes that one thread works in."""
        return tile_step(d, count, work.itemsize) * (
            d * work.itemsize + count * (work.itemsize + 16)
        )

    def into(self, rows, largest, out):
        """out (r, K) ← the scores of rows (r, d), none larger than ``largest`` in magnitude;
        infinite where out's type is too small.
        """
        work = self.components.dtype
        exponent = exponent_of(
            max(largest, self._largest_shift), work
        )  # products neither overflow nor vanish
        tiles = Tiles(rows, self.shift, np.ldexp(1.0, -exponent), work, self._kernels)
        tiles.step = tile_step(rows.shape[1], len(self.components), work.itemsize)

        def score(number, buffer):
            part = self._products(tiles.tile(number, buffer))
            with np.errstate(over="ignore"):
                out[number * tiles.step : number * tiles.step + len(part)] = (
                    np.ldexp(part, exponent) + self.offset
                ) / self.lengths

        self._team.share(len(tiles), tiles.buffer, score)
        return out

    def _products(self, tile):
        """tile·Vᵀ (r, K) float64; single precision is left after every ``SUMMED`` columns."""
        part = np.zeros((len(tile), len(self.components)))
        step = SUMMED if tile.dtype == np.float32 else tile.shape[1]
        for start in range(0, tile.shape[1], step):
            part += tile[:, start : start + step] @ self.components[:, start : start + step].T
        return part


class Reconstruction:
    """Rows from scores: S·diag(lengths)·V + 1μᵀ."""

    def __init__(self, components, mean, lengths, team):
        """components (K, d) in the type of the products, mean (d) and lengths (K) float64."""
        self.components, self.mean, self.lengths, self._team = components, mean, lengths, team

    @staticmethod
    def scratch(d, count, work):
        """Bytes that one thread works in."""
        return tile_rows(d, work.itemsize) * (d * work.itemsize + count * 16)

    def into(self, scores, largest, out):
        """out (r, d) ← the rows that scores (r, K) stand for; infinite where out's type is too
        small.
        """
        step, work = tile_rows(out.shape[1], self.components.dtype.itemsize), self.components.dtype

        def restore(number, _):
            where = slice(number * step, (number + 1) * step)
            with np.errstate(over="ignore", invalid="ignore"):
                part = (scores[where] * self.lengths).astype(work) @ self.components
                np.add(
                    part, self.mean, out=out[where], casting="same_kind"
                )  # the sum is taken in float64

        self._team.share(-(-len(scores) // step), lambda: None, restore)
        return out


def rows_at_once(memory, scratch, row_bytes, piece_bytes, widest_row):
    """Rows of a piece such that ``scratch`` and ``row_bytes`` a row fit ``memory``, and no array
    of them is over ``piece_bytes``.

    0 where not even one row fits.
    """
    return max(0, min((memory - scratch) // row_bytes, max(1, piece_bytes // widest_row)))


def left_out(source, block):
    """Which rows have missing values and are left out of what is computed (r); they become 0."""
    if source.view.reading.nan != "drop-rows":
        return np.zeros(len(block), bool)
    found = np.isnan(block.rows).any(axis=1)
    block.rows[found] = 0
    return found


def checked(made):
    """Return the rows that were made; raise DataError if some are beyond their type."""
    if not (np.isfinite(made.min()) and np.isfinite(made.max())):
        remedy = "give --dtype float64" if made.dtype == np.float32 else "rescale the data"
        raise DataError(f"values beyond the range of {made.dtype}; {remedy}")
    return made
