"""Shared by operators on rows: the panel product over tiles, and the step from sums about a shift
to Σ about the mean.
"""

import numpy as np

ROUNDING = {
    True: 2.0**-46,
    False: 2.0**-23,
}  # of products relative to λ_0, by whether they are in double


class PanelSum:
    """Σ_B Bᵀ(BV) for a panel V (c, d) over the tiles of one block after the other: each thread
    keeps a sum of its own until the end.
    """

    def __init__(self, team, panel, *, with_sums=False):
        """``with_sums``: also the sums of all columns, and of their squares."""
        self._team, self._panel, self._with_sums = team, panel, with_sums
        self._vectors, self._tiles, self._locals = None, None, []

    def add(self, tiles, halt=lambda: False):
        """Add all tiles; end early if ``halt()``."""
        if self._vectors is None:
            self._vectors = tiles.vectors(self._panel)
        self._tiles, count = tiles, len(self._panel)

        def begin():
            if self._locals:
                return self._locals.pop()
            sums = (np.zeros((2, tiles.width)),) if self._with_sums else ()
            return tiles.buffer(), tiles.total(count), sums

        def work(number, local):
            buffer, total, sums = local
            tiles.add_product(number, buffer, self._vectors, total, *sums)

        if count or self._with_sums:
            found = self._team.share(tiles.products, begin, work, halt)
            self._locals += found

    def images(self):
        """The sum: (c, width) float64; None if nothing was added."""
        if not self._locals:
            return None
        totals = [total for _, total, _ in self._locals]
        return self._tiles.images(sum(totals[1:], start=totals[0]))

    def sums(self):
        """Sums of the columns of all B, and of their squares: (2, width) float64, or 0."""
        return sum(sums for _, _, (sums,) in self._locals)


def panel_product(team, tiles, panel, halt=lambda: False):
    """Return Σ_B Bᵀ(BV) over tiles for a panel V (c, d): (c, ``tiles.width``) float64.

    Ends early if ``halt()``.
    """
    total = PanelSum(team, panel)
    total.add(tiles, halt)
    images = total.images()
    return np.zeros((len(panel), tiles.width)) if images is None else images


def about_the_mean(images, vectors, centring):
    """images ← (images − n·δ(δᵀV))/divisor, in place: Σ·V from sums about the shift; images,
    vectors (own, d).
    """
    images -= np.outer(centring.count * (vectors @ centring.offset), centring.offset)
    images /= centring.divisor
    return images
