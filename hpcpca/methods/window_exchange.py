"""Workers that never wait: parallel deflation on whatever superiors have published last, in
one-sided windows.
"""

from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np

from ..errors import HpcpcaError, Interrupted, UsageError
from ..linalg.ritz import ritz_of_rows
from ..options import Settings, option
from .method import goals, register
from .parallel_deflation import VectorExchange
from .ritz_exchange import DONE
from .schedule import all_at_once
from .state import State, measure, relative
from .worker import EXACT, STEPS, DeflationSettings, needs_of, worker_of

SHORTEST, FEWEST = 1.0, 16  # seconds, and local rounds of the slowest worker, until all meet again
INDEPENDENT = 1e-4  # see ritz_of_rows
# seconds between two meetings of workers, unless checkpoints are asked for more often
LONGEST = 600.0
PAUSE = 1e-3  # seconds between two looks of who has nothing to do


@dataclass(frozen=True)
class WindowSettings(Settings):
    """Exchange of vectors"""

    max_staleness: int | None = option(
        "With --exchange window: no worker is more than S rounds ahead of a superior; default: any"
        " number.",
        metavar="S",
        least=0,
    )

    def check(self):
        """Raise UsageError for a grid on which workers do not apply Σ alone."""
        if (
            self.exchange == "window"
            and self.grid is not None
            and not self.grid.lower().endswith("x1")
        ):
            raise UsageError(
                f"--grid {self.grid}: with --exchange window every worker applies Σ alone, on a"
                " grid of ranks×1; leave --grid out"
            )


@dataclass(frozen=True)
class Limits:
    """How far workers may go between meetings, and in all."""

    rounds: int  # local ones of every worker
    staleness: int | None  # rounds ahead of a superior; None: any number
    seconds: float  # between two meetings


class WindowExchange(VectorExchange):
    """A step is a phase: every rank does local rounds (read superiors, deflate, improve,
    publish) without any collective, until the root announces its end; then all is measured
    together, and Ritz vectors are formed if that could be the end of the run.

    Σ has to be applied by every rank alone. Converged workers continue: inferiors need superiors
    better than the tolerance. A round of the run is one that all workers have done.
    ``watch(round, vectors, values, norms)`` is told of every local round.

    The method holds what this rank has heard of the others and its own number of local rounds,
    which is not reset between phases. The result of a phase depends on how fast the ranks are, so a
    state that is stepped twice gives two answers.
    """

    def __init__(self, operator, exchange, count, worker, *, goals, seed, limits):
        super().__init__(
            operator, exchange, count, worker, schedule=all_at_once, goals=goals, seed=seed
        )
        self.limits, needs_images = limits, worker.deflation.needs_images
        self._images = self._images if needs_images else self._panels()
        widths = np.diff(self.offsets)
        self._window = exchange.window(1 + 2 * widths, (1 + needs_images) * widths, operator.d)
        self._workers = np.flatnonzero(widths)  # ranks that own columns
        self._above = [rank for rank in self._workers if rank < exchange.rank and self._mine]
        self._below = [rank for rank in self._workers if rank == exchange.rank + 1]
        held = self.own.stop if self._mine else 0
        # what superiors, and own workers, have published; λ̂ and superiors' rounds, as far as heard
        self._known = np.zeros((1 + needs_images, held, operator.d))
        self._values, self._rounds = np.zeros(count), {}
        self._phase, self._failure = 0, None
        self._operator_alone = None  # Σ applied by this rank, which alone meets errors and stops
        self.watch = lambda *_: None

    def _panels(self):
        # one twice: nobody reads it while others write
        return [self.exchange.panel(self.count, self.operator.d)] * 2

    @property
    def _mine(self):
        """How many workers are this rank's own."""
        return self.own.stop - self.own.start

    def step(self, state):
        """One phase: deflate, improve, publish, at each rank's own pace. Collective."""
        self._phase += 1
        self._operator_alone = self.operator.over(self.exchange.alone())
        counters = self.exchange.counters
        before = np.array([counters.applications, counters.bytes_exchanged])
        local = self._run(
            State(
                self._round,
                state.vectors,
                state.images,
                self._values,
                state.residuals,
                memory=state.memory,
            )
        )
        with self.exchange.agreed():
            if self._failure:
                raise self._failure
        self._count(before)
        return self._together(local, state.round)

    # at each rank's own pace

    def _run(self, local):
        """Local rounds until the end of the phase; ``local.round`` counts them."""
        begun, self._failure, first = monotonic(), None, None
        with self._window.being_read():
            while True:
                self._hear()
                if self.exchange.rank == 0:
                    rounds, values, norms = self._heard_of_all()
                    first = rounds if first is None else first
                    if self._is_enough(monotonic() - begun, rounds, first, values, norms):
                        self._window.end(self._phase)
                if self.exchange.interrupt.requested() or self._window.has_ended(self._phase):
                    return local
                if self._may_go_on(local.round + 1):
                    local = self._tried(local)
                else:
                    sleep(PAUSE)

    def _hear(self):
        """Read what superiors have published since the last time, and the next worker's λ̂."""
        with self.exchange.counters.time("exchange"):
            for rank in self._above:
                if (found := self._window.read(rank)) is not None:
                    columns = self._columns(rank)
                    self._rounds[rank] = found[0][0]
                    self._values[columns] = found[0][1::2]
                    self._known[:, columns] = found[1].reshape(
                        len(self._known), -1, self.operator.d
                    )
            self._window.read_fronts(self._below)
            for rank in self._below:
                self._values[self._columns(rank)] = self._window.fronts[rank][1::2]

    def _columns(self, rank):
        return slice(int(self.offsets[rank]), int(self.offsets[rank + 1]))

    def _heard_of_all(self):
        """Local rounds (workers), λ̂ (m) and residual norms (m), as published; for the root."""
        with self.exchange.counters.time("exchange"):
            self._window.read_fronts(self._workers)
        fronts = [self._window.fronts[rank] for rank in self._workers]
        values, norms = np.concatenate([front[1:] for front in fronts]).reshape(-1, 2).T
        return np.array([front[0] for front in fronts]), values, norms

    def _is_enough(self, seconds, rounds, first, values, norms):
        """Whether the phase should end: no rank can go on, the run seems done, or it is time to
        meet.
        """
        done = (rounds - first).min()
        if rounds.min() >= self.limits.rounds or self._window.has_failed(self._phase):
            return True
        if done >= 1 and self._is_done(values, relative(norms, values.max())):
            return True
        return (seconds >= SHORTEST and done >= FEWEST) or seconds >= self.limits.seconds

    def _is_done(self, values, residuals):
        goals = self.goals(values, self.operator.rounding)
        return bool((residuals <= DONE * goals)[: self.goals.components].all())

    def _may_go_on(self, number):
        """Whether this rank's workers may do their local round ``number``."""
        if not self._mine or self._failure or number > self.limits.rounds:
            return False
        return self.limits.staleness is None or all(
            self._rounds.get(rank, 0) >= number - self.limits.staleness for rank in self._above
        )

    def _tried(self, local):
        """A local round. If it fails, the others are told to end the phase too."""
        try:
            return self._local_round(local)
        except Interrupted:
            return local
        except (HpcpcaError, OSError, MemoryError) as error:
            self._failure = error
            self._window.fail(self._phase)
            return local

    def _local_round(self, local):
        """Deflate, improve, publish: own workers in step."""
        images = self._known[1] if len(self._known) > 1 else None
        deflated = self.worker.deflation(self._known[0], self._values[: self.own.stop], images)
        memory = {name: array.copy() for name, array in local.memory.items()}
        offsets = np.array([0, self._mine])
        vectors = self._improved(deflated, local, slice(0, self._mine), offsets, memory)
        self.exchange.counters.applications += self._mine
        images = self._images_of(vectors, offsets)
        if not np.isfinite(images).all():
            worker = self.own.start + int(np.argmax(~np.isfinite(images).all(axis=1)))
            raise HpcpcaError(
                f"component {worker} is not finite in round {local.round + 1}; the data's range is"
                " too large even after scaling: rescale the data, or report this"
            )
        self._offer(self._window.publish, local.round + 1, vectors, images)
        return State(local.round + 1, vectors, images, self._values, local.residuals, memory=memory)

    def _images_of(self, vectors, offsets):
        return self._operator_alone.apply(vectors, offsets)

    def _seen(self, state):
        return self._known[0]

    def _offer(self, publish, round, vectors, images):
        """Publish own vectors with round, λ̂ and residual norm, and images if the rule wants
        them.
        """
        values = np.einsum("kd,kd->k", vectors, images)
        norms = np.linalg.norm(images - values[:, None] * vectors, axis=1)
        parts = [vectors, images][: len(self._known)]
        self._values[self.own] = values
        for known, part in zip(self._known, parts):
            known[self.own] = part
        publish(np.concatenate([[round], np.stack([values, norms], axis=1).ravel()]), parts)
        self.watch(round, vectors, values, norms)

    # together

    def _count(self, before):
        """Add up what all ranks have done since the counts ``before``. Collective."""
        counters = self.exchange.counters
        own = np.array([counters.applications, counters.bytes_exchanged]) - before
        others = (
            self.exchange.gather_small(own[None], np.arange(self.exchange.size + 1)).sum(axis=0)
            - own
        )
        counters.applications += int(others[0])
        counters.bytes_exchanged += int(others[1])

    def _together(self, local, round):
        """The state that all meet in, and its Ritz vectors if it could be the last.

        Collective.
        """
        self._round = local.round
        rounds = self.exchange.gather_small(
            np.array([float(local.round)]), np.arange(self.exchange.size + 1)
        )
        self._publish(0, local.vectors)
        state = self._measured(
            max(round, int(rounds[self._workers].min())),
            local.vectors,
            local.images,
            self._alike(local.memory),
        )
        is_last = state.round >= self.limits.rounds or self._is_done(
            state.eigenvalues, state.residuals
        )
        return (
            self._rayleigh_ritz(state) if is_last and np.isfinite(state.residuals).all() else state
        )

    def _alike(self, memory):
        """What solvers remember, by the same names on all ranks: a rank that was stopped before
        its first local round has none yet. Collective.
        """
        widths = {name: array.shape[1] for name, array in memory.items()}
        for others in self.exchange.gather_objects(widths):
            widths |= others
        return {
            name: memory.get(name, np.zeros((self._mine, width)))
            for name, width in sorted(widths.items())
        }

    def initialize(self, vectors, images=None, round=0, memory=None):
        """As in ``VectorExchange``. Every worker begins with local round ``round`` + 1."""
        self._round = round
        return super().initialize(vectors, images, round, memory)

    def _measured(self, round, vectors, images, memory):
        """The measured state, from which the next phase begins."""
        self._offer(self._window.restart, self._round, vectors, images)
        values, residuals = measure(vectors, images, self.exchange, self.count)
        self._values[:] = values
        return State(round, vectors, images, values, residuals, memory=memory)

    def _rayleigh_ritz(self, state):
        """Orthonormal vectors, in order, in the span of all; the state as it is if they are
        dependent. Collective.
        """
        everything = self._published[0].array
        all_images = self.exchange.publish(state.images, self._images[0], self.offsets)
        own = np.stack([state.vectors @ everything.T, state.vectors @ all_images.T], axis=1)
        both = self.exchange.gather_small(own, self.offsets)
        (coefficients,) = self.exchange.from_root(
            lambda: [ritz_of_rows(both[:, 0], both[:, 1], INDEPENDENT)], both[:, 0].shape
        )
        if not coefficients.any():
            return state
        vectors, images = coefficients[self.own] @ everything, coefficients[self.own] @ all_images
        found = self._measured(
            state.round, vectors, images, {}
        )  # what solvers remember is of other vectors
        self._publish(0, vectors)
        return found


def window_builder(rule=None):
    """Return what builds workers that publish vectors in windows, by a rule of deflation or as the
    options say.
    """

    def build(operator, exchange, count, settings, basis):
        longest = settings.cadence()[0] or LONGEST
        return WindowExchange(
            operator,
            exchange,
            count,
            worker_of(settings, rule),
            goals=goals(settings),
            seed=settings.seed,
            limits=Limits(settings.max_rounds, settings.max_staleness, longest),
        )

    return build


register(
    "parallel-deflation",
    "window",
    window_builder(),
    (*STEPS, DeflationSettings, WindowSettings),
    needs=needs_of(windows=True),
    solvers=EXACT,
)
