"""Σ of a sample of the rows, which start panels and correction equations are solved on."""

import numpy as np

from .gram import sum_by_slabs, tile_step
from .products import ROUNDING, panel_product


class Sample:
    """Σ_s of the sampled rows, in the units of the operator of all rows, about a shift near their
    mean.

    ``tiles`` are this rank's ``rows`` of the sample, ``share`` is what part of all rows the sample
    is. Ranks apply it together, each by its own rows. Made collectively.
    """

    is_cheap = False  # to apply, beside a pass

    def __init__(self, tiles, rows, share, whole, *, exchange, counters, team):
        self.d, self.is_double, self._tiles, self.share = whole.d, whole.is_double, tiles, share
        self._exchange, self._counters, self._team = exchange, counters, team
        roots = getattr(tiles, "roots", None)
        is_mine = exchange.group_number == 0  # each group has all of it
        weight = rows if roots is None else float(roots @ roots)
        self.rows, weights = exchange.sum(np.array([rows, weight], float) * is_mine)
        self._divisor = max(weights - 1, 1)
        self._panel = None

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        return ROUNDING[self.is_double]

    def apply(self, panel, offsets):
        """Return the images (own, d) of this rank's columns, as operators do. Collective."""
        self._counters.passes += self.share
        self._counters.sample_flops += 4 * self.rows * self.d * int(offsets[-1])
        interrupt = self._exchange.interrupt
        with self._counters.time("apply"):
            images = panel_product(self._team, self._tiles, panel, interrupt.requested)
            interrupt.stop_if(interrupt.requested())
            return self._exchange.reduce_to_owners(images, offsets) / self._divisor

    def images(self, own, offsets):
        """Return the images of this rank's ``own`` (r, d) of as many vectors as ``offsets`` says.
        Collective.
        """
        exchange, count = self._exchange, int(offsets[-1])
        if self._panel is None or len(self._panel.array) < count:
            if self._panel is not None:
                exchange.release(self._panel)
            self._panel = exchange.panel(count, self.d)
        self._panel.fence()  # all have used what was there
        whole = exchange.publish(own, self._panel, offsets)
        return self.apply(whole[exchange.group_columns(offsets)], offsets)

    def as_matrix(self):
        """Return the same as Σ_s itself, held once per node. Collective."""
        exchange = self._exchange
        held = exchange.panel(self.d, self.d)
        with self._counters.time("apply"):
            total = self._total()
        sum_by_slabs(total, held.array if held.node.rank == 0 else None, exchange.sum)
        if held.node.rank == 0:
            held.array /= self._divisor
        held.fence()
        self._counters.sample_flops += self.rows * self.d**2
        return SampleMatrix(held.array, self)

    def _total(self):
        """Sums of products of this rank's rows (d, d); groups, which have the same, share them."""
        exchange, tiles = self._exchange, self._tiles
        total = np.zeros((self.d, self.d))
        tiles.step = tile_step(self.d, tiles.dtype.itemsize, tiles.step)
        buffer = tiles.buffer()
        for number in range(exchange.group_number, len(tiles), exchange.grid.groups):
            if exchange.interrupt.requested():
                break
            tile = tiles.tile(number, buffer)
            total += tile.T @ tile  # the same array on both sides: numpy calls SYRK
        exchange.interrupt.stop_if(exchange.interrupt.requested())
        self._counters.passes += self.share
        return total


class SampleMatrix:
    """Σ_s as a matrix (d, d), which every rank applies to its own vectors alone."""

    is_cheap = True

    def __init__(self, matrix, sample):
        self._matrix, self._exchange, self._counters = matrix, sample._exchange, sample._counters
        self.d, self.is_double, self.rounding = sample.d, sample.is_double, sample.rounding
        self.rows, self.share = sample.rows, sample.share

    def apply(self, panel, offsets):
        """Return the images (own, d) of this rank's columns, as operators do."""
        return self.images(self._exchange.own_rows(panel, offsets), offsets)

    def images(self, own, offsets):
        """Return the images of this rank's ``own`` (r, d), as ``Sample`` does."""
        self._counters.sample_flops += 2 * self.d**2 * int(offsets[-1])
        with self._counters.time("apply"):
            return own @ self._matrix
