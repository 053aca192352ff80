"""Workers that exchange rank-one pairs: parallel rank-one deflation, AdaPaD (arXiv 2605.10741).

Worker k fits the pair (a_k, b_k) to the targets less what its superiors' latest pairs fit. All is
written with vectors as long as b: instead of a_k it publishes f_k = Dᵀa_k, and everybody keeps the
small Gram matrix G = AᵀCA of all pairs as published last.
"""

import numpy as np

from ..linalg.deflation import Pairs
from .parallel_deflation import EXCHANGES, VectorExchange

FITS, GRAM = "pair_fits", "pair_gram"  # in a state's memory: this rank's rows of F and of G


class PairExchange(VectorExchange):
    """A round: T steps of alternating least squares, b ← D_kᵀa over its length, a ← C⁻¹D_k b, then
    publish. A worker that has not begun has published nothing: its a is zero.
    """

    shares_images = False

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._fits = self._panels()

    def initialize(self, vectors, images=None, round=0, memory=None):
        """Return the state of a run that starts with this rank's ``vectors`` (own, d).

        Collective.
        """
        memory = dict(memory or {})
        memory.setdefault(FITS, np.zeros(vectors.shape))
        memory.setdefault(GRAM, np.zeros((len(vectors), self.count)))
        self.exchange.publish(memory[FITS], self._fits[round % 2], self.offsets)
        return super().initialize(vectors, images, round, memory)

    def _deflated(self, state):
        gram = self.exchange.gather_small(state.memory[GRAM], self.offsets)
        return Pairs(self._seen(state), self._fits[state.round % 2].array, gram)

    def _measured_after(self, state, vectors, working, memory):
        """The state after ``state`` with new ``vectors``, and with what their pairs fit."""
        after = super()._measured_after(state, vectors, working, memory)
        before, counts = self._deflated(state), self._superiors(state)
        rows = working[self.own]
        fits = state.memory[FITS].copy()
        fits[rows] = before.fitted(after.images, vectors, counts)[rows]
        self.exchange.publish(fits, self._fits[after.round % 2], self.offsets)
        gram = self._gram(before, after, working, self._counts(state))
        after.memory[FITS], after.memory[GRAM] = fits, gram[self.own]
        return after

    def _counts(self, state):
        """How many superiors each of all workers has: (m)."""
        everybody = np.arange(self.count)
        return np.minimum(everybody, state.round) if self.advance else everybody

    def _gram(self, before, after, working, counts):
        """G (m, m) of the pairs as published now, from what was published ``before``: the same on
        all ranks.

        a_k = C⁻¹D b_k − Σ_j a_j(before)·c_kj with c_kj = b_jᵀ(before) b_k. So both what a pair was
        and what it is follow from F, B and the Gram matrix before.
        """

        def solve():
            vectors = self._published[after.round % 2].array
            fits = self._fits[after.round % 2].array
            along = before.along(vectors, counts)
            # crossed (m, m): a_p(before)ᵀ C a_j(now)
            crossed = before.fits @ vectors.T - before.gram @ along.T
            crossed = np.where(working, crossed, before.gram)
            gram = vectors @ fits.T - along @ crossed
            gram = np.where(working[:, None], gram, crossed)
            return [(gram + gram.T) / 2]

        return self.exchange.from_root(solve, (self.count, self.count))[0]


EXCHANGES[Pairs] = PairExchange
