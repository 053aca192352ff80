"""Workers that exchange vectors: parallel deflation as in arXiv 2502.17615, Algorithm 1.

Another rule of deflation makes it EigenGame, another schedule sequential deflation.
"""

from dataclasses import replace

import numpy as np

from ..linalg.orth import orthonormal_rows, orthonormality_error
from ..linalg.top1 import Hints
from ..partition import indices, offsets_among
from ..rng import unit_vectors
from .method import goals, register
from .state import State, measure
from .worker import EXACT, TURNS, DeflationSettings, needs_of, usual_schedule, worker_of

VANISHED = {
    True: 1e-13,
    False: 1e-6,
}  # share of λ_0 below which an image is rounding error, by whether it is in double


EXCHANGES: dict[type, type] = {}  # rule of deflation: the exchange that it needs, if another


class VectorExchange:
    """Every worker improves its vector on Σ deflated by what its superiors published last round
    (Jacobi), then publishes.

    No orthogonalisation, no sorting, no Rayleigh–Ritz. ``schedule`` says who works in a round. With
    ``advance``, workers that have not begun do not count as superiors.
    """

    shares_images = True  # if the rule of deflation needs the superiors'
    measures_at_once = True  # initialize() applies Σ: a state before any round is measured

    def __init__(self, operator, exchange, count, worker, *, schedule, goals, seed, advance=False):
        self.operator, self.exchange, self.count, self.worker = operator, exchange, count, worker
        self.schedule, self.goals, self.seed, self.advance = schedule, goals, seed, advance
        self.own, self.offsets = exchange.owned(count), exchange.grid.offsets(count)
        self._published = self._panels()  # one is read while the next is written
        self._needs_images = self.shares_images and worker.deflation.needs_images
        self._images = self._panels() if self._needs_images else (None, None)

    def _panels(self):
        return [self.exchange.panel(self.count, self.operator.d) for _ in range(2)]

    def is_orthonormal(self, state):
        """Whether the vectors of a state are orthonormal by construction."""
        return False

    def initialize(self, vectors, images=None, round=0, memory=None):
        """Return the state of a run that starts with this rank's ``vectors`` (own, d).

        Collective.
        """
        if images is None:
            images = np.zeros_like(vectors)
            self._publish(round, vectors)
            self._apply_to(round, images, np.ones(self.count, bool))
        else:
            self._publish(round, vectors)
        return self._measured(round, vectors, images, memory or {})

    def take_up(self, state, own, count):
        """Nothing to do: a repeated round is the same round, and its pass is resumed."""
        return state

    def step(self, state):
        """One round: deflate, improve, exchange. Collective.

        The last round's publications are read while this one's are written beside them, so a state
        can be stepped again until the one after it has been.
        """
        deflated = self._deflated(state)
        working = self.schedule(self, state, lambda: self._own_residuals(deflated, state))
        rows, offsets = indices(working[self.own]), offsets_among(working, self.offsets)
        kept = {name: array[rows].copy() for name, array in state.memory.items()}
        vectors = state.vectors.copy()
        vectors[rows] = self._improved(deflated, state, rows, offsets, kept)
        memory = {name: array.copy() for name, array in state.memory.items()}
        for name, array in kept.items():
            memory.setdefault(name, np.zeros((len(vectors), array.shape[1])))[rows] = array
        self._publish(state.round + 1, vectors)
        return self._measured_after(state, vectors, working, memory)

    def _measured_after(self, state, vectors, working, memory):
        """The state after ``state`` with new ``vectors``; those of the ``working`` have changed.
        Collective.
        """
        images = state.images.copy()
        self._apply_to(state.round + 1, images, working)
        return self._measured(state.round + 1, vectors, images, memory)

    def _deflated(self, state):
        """The rule of deflation, with what superiors published last."""
        images = self._images[state.round % 2]
        return self.worker.deflation(self._seen(state), state.eigenvalues, images and images.array)

    def _seen(self, state):
        """The vectors (m, d) as published last."""
        return self._published[state.round % 2].array

    def _improved(self, deflated, state, rows, offsets, kept):
        """New vectors of the workers in ``rows`` of this rank's own, from local steps on their
        deflated operators; ``kept`` is what their solver remembers, written over. Collective.
        """
        counts = self._superiors(state)[rows]

        def apply(vectors):
            self.exchange.counters.applications += int(offsets[-1])
            return deflated.apply(self._images_of(vectors, offsets), vectors, counts)

        vectors, images = deflated.start(state.vectors[rows], state.images[rows].copy(), counts)
        hints = self._hints(state, rows, kept)
        improved = self.worker.top1(apply, vectors, images, self.worker.local_steps, hints)
        return self._alive(improved, state, rows)

    def _images_of(self, vectors, offsets):
        """Σ times this rank's own ``vectors`` (r, d), in the precision at hand. Collective."""
        return self.operator.apply(self.exchange.gather_in_group(vectors, offsets), offsets)

    @property
    def _numbers(self):
        """Numbers of this rank's own workers: (own)."""
        return np.arange(self.own.start, self.own.stop)

    def _superiors(self, state):
        """How many superiors each own worker has."""
        return np.minimum(self._numbers, state.round) if self.advance else self._numbers

    def _hints(self, state, rows, kept):
        values, largest = state.eigenvalues, max(state.eigenvalues.max(), 0.0)
        own = self._numbers[rows]
        following = np.append(
            values[1:],
            values[-1] * values[-1] / values[-2] if len(values) > 1 and values[-2] > 0 else 0.0,
        )
        floor = VANISHED[self.operator.is_double] * largest

        def remember(name, width):
            return kept.setdefault(name, np.zeros((len(own), width)))

        return Hints(
            floor,
            self.worker.step_size(values[own], largest, self.operator.exponent),
            following[own],
            remember,
        )

    def _own_residuals(self, deflated, state):
        """‖Σ_k v − (vᵀΣ_k v)v‖/λ_0 of all workers on their own operators; on Σ if nothing is
        left of their own. Collective.
        """
        vectors, images = deflated.start(state.vectors, state.images.copy(), self._superiors(state))
        values = np.sum(vectors * images, axis=1, keepdims=True)
        own = np.stack(
            [np.linalg.norm(images - values * vectors, axis=1), np.linalg.norm(images, axis=1)],
            axis=1,
        )
        residuals, lengths = (
            self.exchange.gather_small(own, self.offsets).T / state.eigenvalues.max()
        )
        return np.where(lengths > VANISHED[self.operator.is_double], residuals, state.residuals)

    def _publish(self, round, vectors):
        self.exchange.publish(vectors, self._published[round % 2], self.offsets)

    def _apply_to(self, round, images, working):
        """Put the images of the vectors that the ``working`` have published into this rank's own
        ``images`` (own, d); the others are still right.
        """
        offsets = offsets_among(working, self.offsets)
        mine = self.exchange.group_columns(self.offsets)
        panel = self._published[round % 2].array[mine][indices(working[mine])]
        self.exchange.counters.applications += int(offsets[-1])
        images[indices(working[self.own])] = self.operator.apply(panel, offsets)

    def _measured(self, round, vectors, images, memory):
        """The state; images are published too if the rule needs those of superiors."""
        if self._needs_images:
            self.exchange.publish(images, self._images[round % 2], self.offsets)
        return State(
            round,
            vectors,
            images,
            *measure(vectors, images, self.exchange, self.count),
            memory=memory,
        )

    def _alive(self, improved, state, rows):
        """The improved vectors. If a worker's operator has nothing left, as Σ is rank-deficient,
        its vector is made orthogonal to the superiors instead.
        """
        superiors = self._seen(state)
        for row, k in enumerate(self._numbers[rows].tolist()):
            if not improved[row].any():
                taken = orthonormal_rows(superiors[:k]) if k else superiors[:0]
                for draw in (
                    state.vectors[rows][row],
                    *unit_vectors(self.seed, [self.count + k], improved.shape[1]),
                ):
                    rest = draw - taken.T @ (taken @ draw)
                    rest -= taken.T @ (taken @ rest)
                    if np.linalg.norm(rest) > 1e-6:
                        improved[row] = rest / np.linalg.norm(rest)
                        break
        return improved

    def remeasure(self, state):
        """The state with images computed again, after the operator changed its precision.

        Collective.
        """
        measured = self.initialize(state.vectors, None, state.round, state.memory)
        return replace(measured, last_measured=state.last_measured)

    def orthonormality(self, state, count):
        """Return max|VVᵀ − I| over the first ``count`` vectors. Collective."""
        whole, first = self._published[state.round % 2].array[:count], min(self.own.start, count)
        return self.exchange.maximum(
            orthonormality_error(state.vectors[: count - first], whole, first)
        )


def vector_builder(rule=None, schedule=None):
    """Return what builds workers that exchange vectors, by a rule of deflation and a schedule, or
    as the options say.
    """

    def build(operator, exchange, count, settings, basis):
        worker = worker_of(settings, rule)
        kind = EXCHANGES.get(worker.deflation, VectorExchange)
        return kind(
            operator,
            exchange,
            count,
            worker,
            schedule=schedule or usual_schedule(settings),
            goals=goals(settings),
            seed=settings.seed,
            advance=bool(settings.advance),
        )

    return build


register(
    "parallel-deflation",
    "vectors",
    vector_builder(),
    (*TURNS, DeflationSettings),
    needs=needs_of(),
    solvers=EXACT,
    orthonormal_to=1e-2,
)
