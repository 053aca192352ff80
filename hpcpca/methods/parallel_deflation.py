"""Parallel deflation, exchanging vectors: arXiv 2502.17615, Algorithm 1, to the letter."""

import numpy as np

from ..linalg.orth import orthonormal_rows, orthonormality_error
from ..rng import unit_vectors
from .state import State, measure

VANISHED = {True: 1e-13, False: 1e-6}  # share of λ_0 below which an image is rounding error, by whether it is in double


class VectorExchange:
    """Every worker improves its vector on Σ deflated by what its superiors published last round (Jacobi), then publishes.

    No orthogonalisation, no sorting, no Rayleigh–Ritz. With ``stagger`` worker k (from 0) starts in round k+1.
    """

    def __init__(self, operator, exchange, count, top1, local_steps, stagger, seed, kernels):
        self.operator, self.exchange, self.count, self.kernels = operator, exchange, count, kernels
        self.top1, self.local_steps, self.stagger, self.seed = top1, local_steps, stagger, seed
        self.own = exchange.owned(count)
        self._published = [exchange.panel(count, operator.d) for _ in range(2)]  # one is read while the next is written

    def initialize(self, vectors, images=None, round=0):
        """Return the state of a run that starts with this rank's ``vectors`` (own, d). Collective."""
        return self._published_state(round, vectors, images)

    def take_up(self, state, own, count):
        """Nothing to do: a round repeated is the same round, and its pass goes on where it was stopped."""
        return state

    def step(self, state):
        """One round: deflate, improve, exchange. Collective."""
        superiors = self._published[state.round % 2].array
        deflated = self._deflated(superiors, state.eigenvalues)
        images = self._deflate(state.vectors, state.images.copy(), superiors, state.eigenvalues)
        floor = VANISHED[self.operator.is_double] * max(state.eigenvalues.max(), 0.0)
        improved = self.top1(deflated, state.vectors, images, self.local_steps, floor)
        waiting = self._numbers() >= state.round + 1 if self.stagger else np.zeros(len(improved), bool)
        vectors = np.where(waiting[:, None], state.vectors, self._alive(improved, state, superiors))
        return self._published_state(state.round + 1, vectors)

    def _deflated(self, superiors, eigenvalues):
        """Σ_k x = Σx − Σ_{j<k} λ̂_j v_j (v_jᵀx) for every own worker k at once: (own, d) → (own, d)."""
        def apply(vectors):
            self.exchange.counters.applications += self.count
            panel = self.exchange.gather_in_group(vectors, self.count)
            return self._deflate(vectors, self.operator.apply(panel, self.count), superiors, eigenvalues)
        return apply

    def _deflate(self, vectors, images, superiors, eigenvalues):
        for row, k in enumerate(self._numbers()):
            self.kernels.deflate(images[row], vectors[row], superiors[:k], eigenvalues[:k])
        return images

    def _published_state(self, round, vectors, images=None):
        """Publish vectors, apply Σ to them and tell each other the eigenvalues."""
        self.exchange.publish(vectors, self._published[round % 2], self.exchange.grid.offsets(self.count))
        if images is None:
            panel = self._published[round % 2].array[self.exchange.group_columns(self.count)]
            self.exchange.counters.applications += self.count
            images = self.operator.apply(panel, self.count)
        return State(round, vectors, images, *measure(vectors, images, self.exchange, self.count))

    def _numbers(self):
        return np.arange(self.own.start, self.own.stop)

    def _alive(self, improved, state, superiors):
        """Where a worker's operator has nothing left (rank-deficient Σ), its vector made orthogonal to the superiors."""
        for row, k in enumerate(self._numbers()):
            if not improved[row].any():
                taken = orthonormal_rows(superiors[:k]) if k else superiors[:0]
                for draw in (state.vectors[row], *unit_vectors(self.seed, [self.count + k], improved.shape[1])):
                    rest = draw - taken.T @ (taken @ draw)
                    rest -= taken.T @ (taken @ rest)
                    if np.linalg.norm(rest) > 1e-6:
                        improved[row] = rest / np.linalg.norm(rest)
                        break
        return improved

    def remeasure(self, state):
        """The state with images computed anew, after the operator changed its precision. Collective."""
        return self._published_state(state.round, state.vectors)

    def orthonormality(self, state):
        """Return max|VVᵀ − I| over the whole panel. Collective."""
        whole = self._published[state.round % 2].array
        return self.exchange.maximum(orthonormality_error(state.vectors, whole, self.own.start))
