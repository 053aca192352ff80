"""Σ of rows that are there together with rows of which only their number, mean, leading components
and total variance are known: the sum of scatters about the common mean (Ross et al. 2008,
https://doi.org/10.1007/s11263-007-0075-7).
"""

import numpy as np

from .operator import Operator


class Updated(Operator):
    """(a₁·VᵀΛV + a₂·Σ₂ + w·δδᵀ) with Σ₂ of ``rows``, an operator, and δ the means' difference.

    What the others have outside of V is left out; it is ``share`` = a₁ times that. ``panel`` (K, d)
    has V, ``known`` their Λ, mean, number and total variance.
    """

    def __init__(self, rows, known, panel, exchange, is_centred):
        self.rows, self._known, self._panel, self._exchange = rows, known, panel, exchange
        self._is_centred, self.d = is_centred, rows.d

    @property
    def n(self):
        """How many rows there are in all; None until it is known."""
        return self.rows.n and self._known.n + self.rows.n

    @property
    def share(self):
        """Of the known rows in Σ."""
        return self._part(self._known.n - self._is_centred)

    def _part(self, count):
        return count / (self.n - self._is_centred)

    @property
    def _own_share(self):
        return self._part(self.rows.n - self._is_centred)

    @property
    def _weight(self):
        """Of δδᵀ."""
        return self._is_centred * self._part(self._known.n * self.rows.n / self.n)

    @property
    def is_double(self):
        """As of the operator of the rows; so are the following."""
        return self.rows.is_double

    @property
    def exponent(self):
        """Images are scaled by 2**−exponent."""
        return self.rows.exponent

    @property
    def rounding(self):
        """Error of images, relative to the largest eigenvalue."""
        return self.rows.rounding

    @property
    def centring(self):
        """Of the rows that are there."""
        return self.rows.centring

    @property
    def unfinished(self):
        """The pass that was stopped."""
        return self.rows.unfinished

    def to_double(self):
        """Go on in float64. Collective."""
        self.rows.to_double()

    def over(self, exchange):
        """As of all operators."""
        made = super().over(exchange)
        made.rows = self.rows.over(exchange)
        return made

    @property
    def mean(self):
        """Of all rows (d); None until it is known."""
        if self.rows.mean is None or not self._is_centred:
            return self.rows.mean
        return (self._known.n * self._known.mean + self.rows.n * self.rows.mean) / self.n

    @property
    def total_variance(self):
        """Of all rows, scaled; exact. None until it is known."""
        if self.rows.total_variance is None:
            return None
        others = np.ldexp(self._known.total, -self.exponent)
        step = self._step()
        found = self.share * others + self._own_share * self.rows.total_variance
        return float(found + self._weight * (step @ step))

    def parts(self, vectors, offsets):
        """Return |Vv| (m, K) and ‖v − VᵀVv‖ (m) of all ranks' ``vectors``, of which each has its
        own (r, d). Collective.
        """
        known = self._panel.array
        inside = vectors @ known.T
        lengths = np.linalg.norm(vectors - inside @ known, axis=1, keepdims=True)
        both = self._exchange.gather_small(np.hstack([np.abs(inside), lengths]), offsets)
        return both[:, :-1], both[:, -1]

    def _step(self):
        """The means' difference (d), scaled as rows are."""
        if not self._is_centred:
            return np.zeros(self.d)
        half = self.exponent // 2
        found = np.ldexp(self._known.mean - self.rows.mean, -half)
        return found / np.sqrt(2.0) if self.exponent % 2 else found

    def apply(self, panel, offsets):
        """Return the images of this rank's rows of the panel. Collective."""
        images = self.rows.apply(panel, offsets)  # number and mean may be known by it
        images *= self._own_share
        own, known = self._exchange.own_rows(panel, offsets), self._panel.array
        values = np.ldexp(self._known.values, -self.exponent)
        images += ((own @ known.T) * (self.share * values)) @ known
        step = self._step()
        images += np.outer(self._weight * (own @ step), step)
        return images
