"""Parallel deflation, exchanging vectors and images: every round ends in a Rayleigh–Ritz step
over all workers' history.
"""

from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import HpcpcaError, on_all_ranks
from ..linalg.orth import DONE as ORTHONORMAL
from ..linalg.orth import RAW, combine, orthonormalising
from ..linalg.ritz import rayleigh_ritz_beside, residual_rows, thick_restart
from ..options import AUTO
from ..partition import offsets_among
from ..rng import unit_vectors
from .corrections import CorrectionSettings
from .method import Needs, goals, register
from .ritz_settings import HistorySettings, WarmStartSettings
from .state import StateOnDemand, relative, unmeasured

DONE = 0.8  # of the goal: an independent check at the goal then agrees
# of the goal: converged workers help the others a little longer, which can save a pass at 4 % more
# products
LET_GO = 0.2
# times the panel, so that a restart keeps Ritz vectors, last round's, and has room for new ones
SMALLEST_BASIS = 3


@dataclass(frozen=True)
class Directions:
    """Where the next step looks for what is missing from the basis."""

    own: np.ndarray | None = None  # (r, d) this rank's
    # how many all ranks have if they are outside of the basis and orthonormal already, as in a
    # pass that was stopped; None: one for each worker
    pending: int | None = None
    columns: np.ndarray | None = None  # (m, c) instead: this rank's columns of all workers'


class RitzExchange:
    """Worker k improves component k along its own residual, deflated by everything published
    before.

    ``basis`` Q (N, d) orthonormal and ``basis_images`` SQ = ΣQ live once per node; H = Q·SQᵀ. Ritz
    vectors V = CQ are orthonormal, so deflation by superiors is implied and exact. With the whole
    history kept this needs block Krylov's passes, while converged workers drop out of the panel.

    The first ``kept`` vectors are known from elsewhere: they stay as they are, rows of the basis
    that take no part in Rayleigh–Ritz, and are measured with all others.

    The method holds the history, which is too large for every state to have its own: Q, SQ, H, and
    C of this and the last round. A step extends it, so only the newest state can be stepped, once.
    """

    measures_at_once = False  # initialize() leaves the first images to the first round
    corrections = None  # methods.corrections, if there is a sample

    def __init__(self, operator, exchange, count, largest_basis, *, goals, seed, kept=0):
        self.operator, self.exchange, self.count, self.goals, self.seed = (
            operator,
            exchange,
            count,
            goals,
            seed,
        )
        self.kept = kept
        self.own, self.columns = exchange.owned(count), exchange.columns(operator.d)
        rows = min(max(largest_basis, SMALLEST_BASIS * count), operator.d + count)
        self.basis, self.basis_images = (exchange.panel(rows, operator.d) for _ in range(2))
        self._newest = 0  # number of the state whose vectors the history has
        self._reset()

    def _reset(self):
        self.basis.fence()  # all have formed what they want of what was before
        self.size, self.applied = 0, 0  # rows of the basis; those whose images are known
        self.projected = np.zeros((0, 0))
        self.coefficients = self._previous = None  # (m, ≤ size) of Ritz vectors in the basis

    def on(self, operator):
        """The same method on another operator, in the same memory. Each has to be initialized
        before it is used after the other.
        """
        other = copy(self)
        other.operator, other.corrections = operator, None
        return other

    def is_orthonormal(self, state):
        """Whether the vectors of a state are orthonormal by construction."""
        return True

    def initialize(self, vectors, images=None, round=0, memory=None):
        """Return the state before a round: directions are this rank's ``vectors`` (own, d).

        Collective. There is no ``memory``.

        Given their ``images`` (Ritz vectors of a stopped run), the round's results are there
        already.
        """
        self._reset()
        offsets = self.exchange.grid.offsets(self.count)
        if images is not None:
            self.exchange.publish(vectors, self.basis, offsets)
            self.exchange.publish(images, self.basis_images, offsets)
            self.size = self.applied = self.count
            self._extend_projection(0)
            return self._rayleigh_ritz(round)
        return replace(unmeasured(round, vectors, self.count), next=Directions(vectors))

    def step(self, state):
        """One round: deflate (project off all history), improve (apply Σ), exchange (publish,
        Rayleigh–Ritz). Collective.
        """
        pending, active = state.next.pending, self._active(state)
        corrections = self.corrections if state.next.columns is not None else None
        self._make_room(
            corrections.decide(self, state, active) if corrections else pending or self.count
        )
        known, mixed = self.size, None
        if pending is not None:
            self.size += self.lay(state.next.own, self.exchange.grid.offsets(pending))
        elif corrections:
            mixed = self._expand(corrections.lay(self, state, active))
        else:
            if self.size < self.kept:
                self._lay_kept(state)
            self._expand(self._lay_directions(state, active))
        if self.size < self.count:  # dependent start vectors
            self._fill()
        if self.applied == self.size:
            return replace(state, exhausted=True)
        self._apply_to_new()
        if mixed is not None:
            corrections.compare(self, state, active, known, mixed)
        return self._rayleigh_ritz(state.round + 1)

    def _make_room(self, count):
        """Have rows free for ``count`` directions, or for as many as a restart leaves room for.
        Collective.
        """
        if self.size + count > len(self.basis.array):
            self._restart()

    def has_room(self, count):
        """Whether the basis can have ``count`` directions beside what a restart keeps."""
        return (SMALLEST_BASIS - 1) * self.count + count <= len(self.basis.array)

    def _lay_kept(self, state):
        """Make the vectors that stay as they are the first rows of the basis. Collective."""
        chosen = np.arange(self.count) < self.kept
        self.size += self.lay(state.next.own[chosen[self.own]], self._offsets_of(chosen))

    def _active(self, state):
        """Which workers (m) have not converged."""
        late = state.residuals > LET_GO * self.goals(state.eigenvalues, self.operator.rounding)
        return late & (np.arange(self.count) >= self.kept)

    def _lay_directions(self, state, active):
        """Put the round's directions into the free rows of the basis, and return how many there
        are: residuals of those who are ``active`` (m). Collective.
        """
        return self.lay_residuals(state.next, active)

    def lay_residuals(self, directions, chosen, after=0):
        """Put those of the workers ``chosen`` (m) into the free rows of the basis, ``after`` the
        first so many, and return how many there are. Collective.
        """
        if directions.columns is None:
            return self.lay(directions.own[chosen[self.own]], self._offsets_of(chosen))
        rows, first = directions.columns[chosen], self.size + after
        self.basis.array[first : first + len(rows), self.columns] = rows
        return len(rows)

    def _offsets_of(self, active):
        """Who has which of the ``active`` workers."""
        return offsets_among(active, self.exchange.grid.offsets(self.count))

    def lay(self, own, offsets):
        """Put rows, this rank's ``own`` (r, d), into the free ones of the basis. Collective."""
        return len(self.exchange.publish(own, self.basis, offsets, self.size))

    def _expand(self, count):
        """Take up into the basis what the ``count`` directions in its free rows have outside of
        it, orthonormalised; return their combinations (c, ``count``) that the new rows are.
        Collective.

        Every rank does that to its columns, so that all share the work, and what they tell each
        other is small.
        """
        known, stage, mixed = self.size, RAW, np.eye(count)
        while count and stage != ORTHONORMAL:
            rows = self.basis.array[: known + count, self.columns]
            products = self.exchange.sum(rows[known:] @ rows.T)

            def solve(products=products, stage=stage):
                found, following = orthonormalising(products, stage)
                padded = np.zeros_like(products)
                padded[: len(found)] = found
                return [padded, np.array([len(found), following])]

            combination, (kept, stage) = self.exchange.from_root(solve, products.shape, 2)
            count = int(kept)
            combine(combination[:count], rows, known)
            mixed = combination[:count, known:] @ mixed
        self.exchange.publish_columns(self.basis, count, known)
        self.size += count
        return mixed

    def take_up(self, state, own, count):
        """Return the state with the ``count`` directions of a pass that was stopped, already
        orthonormal, for its next step; own (r, d).
        """
        return replace(state, next=Directions(own, count))

    def _fill(self):
        """Add random directions until the basis has as many rows as the panel."""
        for attempt in range(1, 4):
            missing = self.count - self.size
            active = np.arange(self.count) < missing
            numbers = attempt * self.count + np.arange(self.own.start, self.own.stop)
            own = unit_vectors(self.seed, numbers, self.operator.d)[active[self.own]]
            self._expand(self.lay(own, self._offsets_of(active)))
            if self.size == self.count:
                return

    def _apply_to_new(self):
        """Images of the new rows of the basis, published; H grows by their rows and columns."""
        first, new = self.applied, self.size - self.applied
        offsets = self.exchange.grid.offsets(new)
        self.exchange.counters.applications += new
        images = self.operator.apply(
            self.basis.array[first : self.size][self.exchange.group_columns(offsets)], offsets
        )
        self.exchange.publish(images, self.basis_images, offsets, first)
        self.applied = self.size
        self._extend_projection(first)

    def _extend_projection(self, first):
        """H = Q·SQᵀ for rows from ``first`` on: every rank has the share of its columns in it."""
        rows = self.exchange.sum(
            self.basis_images.array[first : self.size, self.columns]
            @ self.basis.array[: self.size, self.columns].T
        )
        if not np.isfinite(rows).all():
            worker = first + int(np.argmax(~np.isfinite(rows).all(axis=1)))
            raise on_all_ranks(
                HpcpcaError(
                    f"the image of vector {worker} of the basis is not finite; the data's range is"
                    " too large even after scaling: rescale the data"
                )
            )
        grown = np.zeros((self.size, self.size))
        grown[:first, :first] = self.projected[:first, :first]
        grown[first:], grown[:, first:] = rows, rows.T
        grown[first:, first:] = (rows[:, first:] + rows[:, first:].T) / 2
        self.projected = grown

    def _rayleigh_ritz(self, round):
        """The best panel in the span of all history; each rank forms and judges its columns of
        what is left of all components.
        """
        values, coefficients = self.exchange.from_root(
            lambda: rayleigh_ritz_beside(self.projected, self.count, self.kept),
            self.count,
            (self.count, self.size),
        )
        self._previous, self.coefficients = self.coefficients, coefficients
        self._newest += 1
        panels = self.basis, self.basis_images
        vectors, images = (partial(self._combined, panel, self._newest) for panel in panels)
        known = (panel.array[: self.size, self.columns] for panel in panels)
        directions = residual_rows(values, coefficients, *known)
        squares = self.exchange.sum(np.einsum("kc,kc->k", directions, directions))
        lengths = relative(np.sqrt(squares), values.max())
        directions = Directions(columns=directions)
        return StateOnDemand(round, vectors, images, values, lengths, next=directions)

    def _combined(self, panel, number):
        """This rank's vectors or images (own, d) of state ``number``, by its panel."""
        assert number == self._newest, "the history has gone on"
        coefficients = self.coefficients[self.own]
        return coefficients @ panel.array[: coefficients.shape[1]]

    def _restart(self):
        """Thick restart: keep the span of this and last round's Ritz vectors.

        Every rank transforms its share of the columns.
        """
        coefficients = self.coefficients
        previous = coefficients if self._previous is None else self._previous
        transform = thick_restart(coefficients, previous)[: len(self.basis.array) - self.count]
        self._transform(transform)
        self.projected = transform @ self.projected @ transform.T
        self.size = self.applied = len(transform)
        self.coefficients = np.eye(len(coefficients), len(transform))

    def _transform(self, transform):
        """Q ← GQ, SQ ← G·SQ, in place."""
        for panel in (self.basis, self.basis_images):
            panel.fence()
            whole = panel.array
            step = -(-whole.shape[1] // panel.node.size)
            columns = slice(panel.node.rank * step, (panel.node.rank + 1) * step)
            combine(transform, whole[: self.size, columns], 0)
            panel.fence()

    def remeasure(self, state):
        """The state with images computed again, after the operator changed its precision.

        Collective.
        """
        self._restart()
        if self.corrections:
            self.corrections.begin_again()
        self.applied, self.projected, self.coefficients = 0, np.zeros((0, 0)), None
        self._apply_to_new()
        return self._rayleigh_ritz(state.round)

    def orthonormality(self, state, count):
        """Return max|VVᵀ − I| over the first ``count`` vectors of the newest state. Collective."""
        coefficients = self.coefficients[:count]
        columns = coefficients @ self.basis.array[: coefficients.shape[1], self.columns]
        gram = self.exchange.sum(columns @ columns.T)
        return float(np.abs(gram - np.eye(count)).max())


def _needs(settings):
    # samples know nothing of what is kept as it is, or of rows that are not at hand
    whole = getattr(settings, "kept", 0) or getattr(settings, "update", None)
    return Needs(has_history=True, corrections="off" if whole else settings.corrections or AUTO)


def _build(operator, exchange, count, settings, basis):
    kept = getattr(settings, "kept", 0)
    wanted = {"goals": goals(settings), "seed": settings.seed, "kept": kept}
    return RitzExchange(operator, exchange, count, basis, **wanted)


register(
    "parallel-deflation",
    "ritz",
    _build,
    (HistorySettings, WarmStartSettings, CorrectionSettings),
    needs=_needs,
)
