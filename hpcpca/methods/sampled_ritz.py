"""Parallel deflation on mini-batches, exchanging vectors and estimates of their images: every
round ends in a Rayleigh–Ritz step.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..linalg.orth import DROP, orthonormality_error
from ..linalg.secant import Ritz, ritz_and_next
from ..rng import unit_vectors
from .state import State, measure

# round ℓ's images weigh about as ℓ^(MEMORY − 1) in the running mean: with 1 alike, least noise;
# more forgets the start sooner
MEMORY = 2.0


@dataclass(frozen=True)
class Estimated:
    """What the next step of ``SampledRitz`` begins with."""

    ritz: Ritz  # coefficients in the vectors and images that were published last
    seen: float  # rounds whose batches are in the running mean


class SampledRitz:
    """Worker k owns vector v_k and s_k, the running mean of its images on the batches it drew.

    Rayleigh–Ritz on all (V, S) deflates, and separates components that single vectors cannot: no
    worker needs a step size or a gap. When V moves, S moves by the symmetric matrix that they
    determine (linalg/secant). The mean forgets as 1/ℓ, so that errors fall as with all
    the rows drawn so far. Convergence is measured, by a pass over all rows, when ``measuring`` is
    due.

    The published panels are the method's, so only the newest state can be stepped, once.
    """

    measures_at_once = True

    def __init__(
        self, operator, exchange, count, batches, *, local_steps, longest_step, measuring, seed
    ):
        """``measuring.goals.components`` of the ``count`` vectors are wanted, the others are
        guards.

        ``longest_step`` (exponent) → the longest η of a step, or None.
        """
        self.operator, self.exchange, self.count, self.batches = operator, exchange, count, batches
        self.local_steps, self.longest_step = local_steps, longest_step
        self.measuring, self.components, self.seed = measuring, measuring.goals.components, seed
        self.own, self.offsets = exchange.owned(count), exchange.grid.offsets(count)
        self._vectors, self._images = (exchange.panel(count, operator.d) for _ in range(2))

    def initialize(self, vectors, images=None, round=0, memory=None):
        """Return the state of a run that starts with this rank's ``vectors`` (own, d), from a
        pass over all rows; or, given ``images``, as they were estimated. Collective.
        """
        if images is None:
            return self._measured(round, self._independent(vectors))
        known = {name: np.zeros((len(vectors), 1)) for name in ("noise", "seen")} | (memory or {})
        noise, seen = self.exchange.gather_small(
            np.hstack([known["noise"], known["seen"]]), self.offsets
        ).T
        return self._solved(
            round, vectors, images, noise if noise.any() else None, float(seen.max())
        )

    def is_orthonormal(self, state):
        """Whether the vectors of a state are orthonormal by construction."""
        return True

    def _independent(self, vectors):
        """The same, moved a little at random if they depend on one another. Collective."""
        self.exchange.publish(vectors, self._vectors, self.offsets)
        gram = self.exchange.gather_small(vectors @ self._vectors.array.T, self.offsets)
        if np.linalg.eigvalsh(gram)[0] > DROP:
            return vectors
        return (
            vectors
            + unit_vectors(
                self.seed, self.count + np.arange(self.own.start, self.own.stop), self.operator.d
            )
            / 10
        )

    def take_up(self, state, own, count):
        """Nothing to do: a repeated round is the same round, and its pass is resumed."""
        return state

    def step(self, state):
        """One round: deflate and exchange (Rayleigh–Ritz), improve on mini-batches. Collective."""
        following = state.next.ritz
        vectors, images = (
            self._combined(rows[self.own]) for rows in (following.vectors, following.images)
        )
        numbers = np.arange(self.own.start, self.own.stop)
        found = (
            sum(
                self.batches.apply(vectors, numbers, state.round, step)[0]
                for step in range(self.local_steps)
            )
            / self.local_steps
        )
        self.batches.count(self.count * self.local_steps)
        variance = self.exchange.gather_small(
            np.sum((found - images) ** 2, axis=1), self.offsets
        )  # of one round's images
        seen = (
            state.next.seen
            if state.estimated
            else max(state.next.seen, self._worth(state, variance))
        )
        share = MEMORY / (MEMORY + seen)
        noise = variance * MEMORY**2 / ((2 * MEMORY - 1) * (seen + 1))  # of their running mean
        estimate = self._solved(
            state.round + 1, vectors, (1 - share) * images + share * found, noise, seen + 1
        )
        estimate.last_measured = state.last_measured
        if not self.measuring.is_due(estimate, self.operator.rounding):
            return estimate
        measured = self._measured(estimate.round, estimate.vectors, estimate.next.seen)
        return replace(measured, last_measured=estimate.round)

    def _worth(self, state, variance):
        """How many rounds' batches a measured state is worth: so many that the error of their mean
        is its residual.
        """
        left = np.sum((state.residuals[: self.components] * state.eigenvalues.max()) ** 2)
        return float(variance[: self.components].sum() / max(left, 1e-300))

    def _combined(self, coefficients):
        """Rows of [V; S] as published, times coefficients (r, 2m)."""
        return (
            coefficients[:, : self.count] @ self._vectors.array
            + coefficients[:, self.count :] @ self._images.array
        )

    def _solved(self, round, vectors, images, noise, seen):
        """Publish, and rotate by Rayleigh–Ritz: each rank forms and judges its own components;
        ``noise`` (m) is the variance of their images, None if they are Σ's. Collective.
        """
        for panel, own in ((self._vectors, vectors), (self._images, images)):
            panel.fence()  # all have read the last round's
            self.exchange.publish(own, panel, self.offsets)
        products = [
            own @ panel.array.T
            for own in (vectors, images)
            for panel in (self._vectors, self._images)
        ]
        gram = self.exchange.gather_small(
            np.stack(products, axis=1), self.offsets
        )  # (m, 4, m): VVᵀ, VSᵀ, SVᵀ, SSᵀ
        gram = np.block([[gram[:, 0], gram[:, 1]], [gram[:, 2], gram[:, 3]]])
        longest = self.longest_step(self.operator.exponent)
        ritz = Ritz(
            *self.exchange.from_root(
                lambda: ritz_and_next(gram, longest).arrays(), *Ritz.shapes(self.count)
            )
        )
        rotation = ritz.rotation[self.own]
        vectors, images = rotation @ self._vectors.array, rotation @ self._images.array
        values, residuals = measure(vectors, images, self.exchange, self.count)
        state = State(
            round,
            vectors,
            images,
            values,
            residuals,
            estimated=noise is not None,
            next=Estimated(ritz, seen),
        )
        # vectors follow their images: what is left between them says little of what Σ would show
        if state.estimated:
            noise = np.square(ritz.rotation) @ noise
            state.residuals = np.sqrt(residuals**2 + noise / max(values.max(), 1e-300) ** 2)
            state.memory["noise"] = noise[self.own, None]
        state.memory["seen"] = np.full((len(vectors), 1), seen)
        return state

    def _measured(self, round, vectors, seen=0.0):
        """The state of ``vectors`` with images from a pass over all rows. Collective."""
        self.exchange.counters.applications += self.count
        images = self.operator.apply(
            self.exchange.gather_in_group(vectors, self.offsets), self.offsets
        )
        return self._solved(round, vectors, images, None, seen)

    def remeasure(self, state):
        """The state with images computed again, after the operator changed its precision.

        Collective.
        """
        measured = self._measured(state.round, state.vectors, state.next.seen)
        return replace(measured, last_measured=state.last_measured)

    def orthonormality(self, state, count):
        """Return max|VVᵀ − I| of the first ``count`` vectors. Collective."""
        whole = state.next.ritz.rotation[:count] @ self._vectors.array
        return self.exchange.maximum(
            orthonormality_error(
                state.vectors[: max(0, count - self.own.start)], whole, self.own.start
            )
        )
