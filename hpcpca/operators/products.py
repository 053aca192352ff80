"""Shared by operators on rows: the panel product over tiles, and the step from sums about a shift
to Σ about the mean.
"""

import numpy as np

ROUNDING = {
    True: 2.0**-46,
    False: 2.0**-23,
}  # of products relative to λ_0, by whether they are in double


def panel_product(team, tiles, panel, halt=lambda: False):
    """Return Σ_B Bᵀ(BV) over tiles for a panel V (c, d): (c, ``tiles.width``) float64; each thread
    sums its own tiles.

    Ends early if ``halt()``.
    """
    if not len(panel):
        return np.zeros((0, tiles.width))
    vectors = tiles.vectors(panel)

    def work(number, local):
        buffer, total = local
        tiles.add_product(number, buffer, vectors, total)

    found = team.share(len(tiles), lambda: (tiles.buffer(), tiles.total(len(panel))), work, halt)
    totals = [total for _, total in found]
    return tiles.images(sum(totals[1:], start=totals[0]))


def about_the_mean(images, vectors, centring):
    """images ← (images − n·δ(δᵀV))/divisor, in place: Σ·V from sums about the shift; images,
    vectors (own, d).
    """
    images -= np.outer(centring.count * (vectors @ centring.offset), centring.offset)
    images /= centring.divisor
    return images


class Sample:
    """Sums over some of the rows, about a shift near the mean, to improve a start panel with.

    ``tiles`` are this rank's share of the sample, ``share`` what part of all rows the sample is.
    """

    def __init__(self, tiles, share, whole, exchange, counters, *, team):
        self.d, self.is_double, self._tiles, self._share = whole.d, whole.is_double, tiles, share
        self._exchange, self._counters, self._team = exchange, counters, team

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        return ROUNDING[self.is_double]

    def apply(self, panel, offsets):
        """The images times a factor, the same for all. Collective."""
        self._counters.passes += self._share
        with self._counters.time("apply"):
            return self._exchange.reduce_to_owners(
                panel_product(self._team, self._tiles, panel), offsets
            )
