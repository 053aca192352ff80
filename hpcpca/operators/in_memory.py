"""Covariance operator on rows held in memory: every rank of a group multiplies its shard, the images are summed."""

import numpy as np


class InMemoryCovariance:
    """Σ = (Y−1μᵀ)ᵀ(Y−1μᵀ)/(n−1) for the rows of a group's shards, centred implicitly (design: shift + correction).

    ``load(double)`` → (rows (r, d), Centring) reads this rank's shard; ``group`` sums images over the group's ranks.
    """

    def __init__(self, load, is_double, group, counters, team):
        self._load, self._group, self._counters, self._team = load, group, counters, team
        self.is_double = is_double
        self._take(*load(is_double))

    def _take(self, rows, centring):
        centring.check_variance()
        self.centring, self.n, self.d = centring, centring.count, rows.shape[1]
        self.mean, self.total_variance, self.exponent = centring.mean, centring.total_variance, 2 * centring.exponent
        self._tiles = centring.tiles(rows)
        if rows.dtype == centring.work:  # the same subtraction, once and for all, needs no further memory
            tiles = self._tiles
            self._team.share(len(tiles), lambda: None, lambda number, _: _centre_in_place(tiles, number))
            tiles.shift = None

    def to_double(self):
        """Go on in float64: read the rows again where centring them in single precision has rounded them. Collective.

        Images must be computed anew: the scale may differ.
        """
        if self._tiles.shift is None:
            self._tiles = None
            self._take(*self._load(True))
        else:
            self.centring.work = np.dtype(np.float64)
            if self.centring.shift.dtype == np.float32:
                self.centring.shift = self.centring.shift.astype(np.float64)
            self._tiles = self.centring.tiles(self._tiles.rows)
        self.is_double = True

    def apply(self, panel, count):
        """Return the images (own, d) of this rank's columns; ``panel`` (c, d) holds its group's of ``count`` in all. Collective."""
        self._counters.passes += 1
        with self._counters.time("apply"):
            partial = self._partial(self._tiles, panel)
            own = self._group.reduce_to_owners(partial, count)
            return self._corrected(own, self._group.own_rows(panel), self.centring.offset, self.n)

    def sampled(self, ranges, share):
        """Return the operator of a sample, ``share`` of all rows: those of this rank's shard in ``ranges`` [(start, stop)], copied."""
        return _Sample(self, share, np.concatenate([np.arange(*r) for r in ranges] or [np.zeros(0, int)]).astype(np.int64))

    def _partial(self, tiles, panel):
        """Σ_B Bᵀ(BV) over tiles: (c, d) float64; each thread sums its own."""
        vectors = panel.astype(tiles.dtype)

        def work(number, local):
            buffer, total = local
            tiles.kernels.gram_product(tiles.tile(number, buffer), vectors, total)

        if not len(panel):
            return np.zeros(panel.shape)
        totals = [total for _, total in self._team.share(len(tiles), lambda: (tiles.buffer(), np.zeros(panel.shape)), work)]
        return sum(totals[1:], start=totals[0])

    @staticmethod
    def _corrected(own, vectors, offset, n):
        """Σ about the mean from sums about the shift: (S − n·δδᵀ)/(n−1) applied to own vectors."""
        own -= np.outer(n * (vectors @ offset), offset)
        own /= n - 1
        return own


class _Sample:
    """Sums over some of the rows, about the same shift: what a start panel is improved with."""

    def __init__(self, whole, share, numbers):
        self._whole, self._share, self.d, self.is_double = whole, share, whole.d, whole.is_double
        self._tiles = whole._tiles.subset(numbers)

    def apply(self, panel, count):
        """As the whole operator's, but for a factor."""
        self._whole._counters.passes += self._share
        with self._whole._counters.time("apply"):
            return self._whole._group.reduce_to_owners(self._whole._partial(self._tiles, panel), count)


def _centre_in_place(tiles, number):
    rows = tiles.rows[number * tiles.step:(number + 1) * tiles.step]
    rows -= tiles.shift
    rows *= tiles.scale
