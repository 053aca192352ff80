"""Workers that exchange vectors and learn from mini-batches: Oja's rule, deflated (arXiv
2502.17615, Algorithm 2), or as EigenGame mu.
"""

from dataclasses import replace
from itertools import count

import numpy as np

from ..linalg.top1 import Hints
from .parallel_deflation import VectorExchange
from .state import State

SLOWEST = 0.02  # share of a new batch in the mean of eigenvalues
RECENT = 0.1  # … of gradients' lengths and of how far one agrees with the next
AGREEMENT = (
    0.2  # above it gradients are signal rather than noise, and steps need not be shortened yet
)


class Oja(VectorExchange):
    """Every local step takes a batch of the worker's own.

    Eigenvalues and residuals are estimated from them. A pass over all rows measures the state when
    ``measuring`` is due.

    A worker remembers its ``estimate`` (λ̂, residual), the ``gradient`` of the last batch, the
    ``agreement`` of gradients (means of the product of one with the next, which is free of noise,
    and of its square), the number of batches ``drawn`` and the ``clock`` of adaptive steps.
    """

    shares_images = False

    def __init__(self, *parts, batches, measuring, **more):
        super().__init__(*parts, goals=measuring.goals, **more)
        self.batches, self.measuring = batches, measuring

    def initialize(self, vectors, images=None, round=0, memory=None):
        """As in ``VectorExchange``: measured by a pass over all rows, or estimated, given the
        ``images`` and the ``memory`` of a run. Collective.
        """
        if images is None or not memory:
            widths = {"gradient": vectors.shape[1], "agreement": 2, "drawn": 1, "clock": 1}
            fresh = {name: np.zeros((len(vectors), width)) for name, width in widths.items()}
            return self._known(super().initialize(vectors, None, round, fresh | (memory or {})))
        self._publish(round, vectors)
        return self._estimated(round, vectors, memory)

    def _known(self, measured):
        """A measured state whose workers remember what was measured."""
        measured.memory["estimate"] = np.stack([measured.eigenvalues, measured.residuals], axis=1)[
            self.own
        ]
        return measured

    def _deflated(self, state):
        return self.worker.deflation(self._published[state.round % 2].array, state.eigenvalues)

    def _improved(self, deflated, state, rows, offsets, kept):
        """New vectors of the workers in ``rows`` of this rank's own, from a batch
        for every local step. Collective.
        """
        counts, numbers, steps = self._superiors(state)[rows], self._numbers[rows], count()
        superiors = deflated.superiors if deflated.needs_squares else None

        def apply(vectors):
            images, squares = self.batches.apply(
                vectors, numbers, state.round, next(steps), superiors
            )
            values = np.sum(vectors * images, axis=1)
            if deflated.needs_squares:
                deflated.values = squares
            images = deflated.apply(images, vectors, counts)
            _learn(
                kept,
                values,
                images - np.sum(vectors * images, axis=1, keepdims=True) * vectors,
                max(state.eigenvalues.max(), 1e-300),
            )
            return images

        self.batches.count(int(offsets[-1]) * self.worker.local_steps)
        vectors = deflated.inside(state.vectors[rows], counts)
        images = apply(vectors)
        eta = self.worker.step_size(
            state.eigenvalues,
            numbers,
            kept["clock"][:, 0],
            state.round * self.worker.local_steps,
            self.operator.exponent,
        )
        return self._alive(
            self.worker.top1(apply, vectors, images, self.worker.local_steps, Hints(0.0, eta)),
            state,
            rows,
        )

    def _measured_after(self, state, vectors, working, memory):
        """The estimated state, or the measured one if that is due. Collective."""
        estimate = self._estimated(state.round + 1, vectors, memory)
        estimate.last_measured = state.last_measured
        if not self.measuring.is_due(estimate, self.operator.rounding):
            return estimate
        images = np.empty_like(vectors)
        self._apply_to(estimate.round, images, np.ones(self.count, bool))
        measured = self._known(self._measured(estimate.round, vectors, images, memory))
        return replace(measured, last_measured=estimate.round)

    def _estimated(self, round, vectors, memory):
        """The state that the workers' batches show. Collective."""
        values, residuals = self.exchange.gather_small(memory["estimate"], self.offsets).T.copy()
        images = memory["estimate"][:, :1] * vectors + memory["gradient"]
        return State(round, vectors, images, values, residuals, estimated=True, memory=memory)


def _learn(known, values, gradients, largest):
    """Take in what a batch showed each worker: v's eigenvalue (r) and the gradient (r, d) on its
    own operator; λ_0 is about ``largest``.
    """
    known["drawn"] += 1
    drawn, estimate, agreement = known["drawn"][:, 0], known["estimate"], known["agreement"]
    estimate[:, 0] += np.maximum(1 / drawn, SLOWEST) * (values - estimate[:, 0])
    products = np.stack(
        [np.sum(gradients * known["gradient"], axis=1), np.sum(gradients**2, axis=1)], axis=1
    )
    known["gradient"][:] = gradients
    again = drawn > 1
    agreement += np.where(again, np.maximum(1 / np.maximum(drawn - 1, 1), RECENT), 0.0)[:, None] * (
        products - agreement
    )
    known["clock"] += (again & (agreement[:, 0] < AGREEMENT * agreement[:, 1]))[:, None]
    left = np.maximum(
        agreement[:, 0], agreement[:, 1] / np.maximum(drawn, 1)
    )  # no less than the noise of a mean of all batches
    estimate[:, 1] = np.where(again, np.sqrt(left) / largest, estimate[:, 1])
