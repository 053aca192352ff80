"""Covariance operator on rows that stay in the files: a window of them in memory, the next read while one is computed with."""

from dataclasses import replace

import numpy as np

from ..errors import DataError, on_all_ranks
from .centring import exponent_of
from .products import ROUNDING, Sample, about_the_mean, panel_product

READINGS = 3  # of all data until shift and scale fit them


class StreamingCovariance:
    """Σ as of ``InMemoryCovariance``, one reading of the files a pass.

    ``windows(largest)`` yields this rank's rows piece by piece; given a list it checks them and puts max |value| into it.
    Mean, variance and the check for NaN ride on the first pass; where its shift or scale turn out wrong, it is done again.
    ``sample`` holds (rows (s, d), share) of this rank until the start panel is made.
    """

    def __init__(self, windows, sampled, is_double, group, counters, team):
        self._windows, self._group, self._counters, self._team = windows, group, counters, team
        self._sampled, self.is_double = sampled, is_double
        self.centring, self._sample, self._share = sampled(is_double)
        self.d, self.exponent = len(self.centring.shift), 2 * self.centring.exponent
        self.n = self.mean = self.total_variance = None

    def to_double(self):
        """Go on in float64. Images must be computed anew."""
        self.centring, self.is_double = self.centring.in_double(), True

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        return ROUNDING[self.is_double]

    def sampled(self, ranges=None, share=None):
        """Return the operator of the rows sampled for the shift, and let go of them."""
        sample = Sample(self.centring.tiles(self._sample), self._share, self, self._group, self._counters, self._team)
        self._sample = None
        return sample

    def apply(self, panel, count):
        """Return the images (own, d) of this rank's columns; ``panel`` (c, d) holds its group's of ``count`` in all. Collective."""
        self._sample = None
        images = self._first_pass(panel, count) if self.n is None else self._pass(panel, count)
        return about_the_mean(images, self._group.own_rows(panel), self.centring)

    def _pass(self, panel, count, sums=None, largest=None):
        """Sums of images about the shift over all rows; column sums and squares (2, d) are added to ``sums``."""
        self._counters.passes += 1
        self._counters.reads += 1
        partial = np.zeros(panel.shape)
        with self._group.world.agreed():
            for rows in self._windows(largest):
                with self._counters.time("apply"):
                    tiles = self.centring.tiles(rows)
                    partial += panel_product(self._team, tiles, panel)
                    if sums is not None:
                        tiles.add_sums(self._team, sums)
        return self._group.reduce_to_owners(partial, count)

    def _first_pass(self, panel, count):
        for _ in range(READINGS):
            sums, largest = np.zeros((2, self.d)), [0.0, 0]
            images = self._pass(panel, count, sums, largest)
            mine = self._group.group_number == 0  # each group holds all rows: count them once
            joint = self._group.sum(np.concatenate([[largest[1]], *sums]) * mine)
            if not np.isfinite(joint).all() or self._group.maximum(not np.isfinite(images).all()):
                self.centring = replace(self.centring, exponent=exponent_of(self._group.maximum(largest[0]), self.centring.work))
                continue
            measured = self.centring.measured_by_sums(joint[0], joint[1:self.d + 1], joint[self.d + 1:])
            measured.check_variance()
            if not measured.is_off():
                self._take(measured)
                return images
            self.centring = measured.at_the_mean()
        raise on_all_ranks(DataError("the data's range is too large to centre and scale in three readings; rescale the data"))

    def _take(self, centring):
        self.centring, self.n, self.mean = centring, centring.count, centring.mean
        self.total_variance, self.exponent = centring.total_variance, 2 * centring.exponent
