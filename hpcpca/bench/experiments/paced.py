"""What a method does on a problem, by the clock: every worker on a rank of its own, with latency
and slow ranks injected.
"""

from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np
from mpi4py import MPI

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...comm.late import injected
from ...comm.shared import SharedArray
from ...methods.window_exchange import WindowExchange
from ...operators.gram import GramCovariance
from ...partition import Grid
from ...pca.settings import FitSettings
from .problems import errors
from .trajectory import Trajectory

SAMPLES, LEVEL, POLL = 200, 1e-4, 1e-4


@dataclass(frozen=True)
class Timed(Trajectory):
    """A trajectory at R times instead of rounds: with ``rounds`` (R), local ones of the workers
    on average, and ``residuals`` (R, K).

    ``reached`` (K) are the seconds from which on a component's residual stays within ``LEVEL``; NaN
    where it never does.
    """

    residuals: np.ndarray
    rounds: np.ndarray
    reached: np.ndarray
    more = ("residuals", "rounds", "reached")


class Considerate(Exchange):
    """An exchange in which who waits for others sleeps: more ranks than cores would else keep
    those that work from working.
    """

    def panel(self, rows, d):
        """As of ``Exchange``, but private: nobody waits for those who share it."""
        panel = SharedArray(self.world, (rows, d), sharers=MPI.COMM_SELF)
        self._panels.append(panel)
        return panel

    def publish(self, own, panel, offsets, first=0):
        """As of ``Exchange``."""
        panel.array[first : first + offsets[-1]] = self.gather_small(own, offsets)
        return panel.array[first : first + offsets[-1]]

    def gather_small(self, own, offsets):
        """As of ``Exchange``."""
        own = np.ascontiguousarray(own, dtype=np.float64)
        whole = np.empty((int(offsets[-1]), *own.shape[1:]))
        request = self.comm.Iallgatherv(own, [whole, np.diff(offsets) * (whole.size // len(whole))])
        while not request.Test():
            sleep(POLL)
        return whole


class Log:
    """What a rank's own worker has reached when: rows of seconds, local round, applications,
    residual, error.
    """

    def __init__(self, problem, own, steps):
        self.problem, self.own, self.steps, self.rows, self.begun = (
            problem,
            own,
            steps,
            [],
            monotonic(),
        )

    def __call__(self, round, vectors, values, norms):
        """Note a round of the worker; ``norms`` are its residual's."""
        error = errors(vectors, self.problem.vectors[self.own])
        self.rows.append(
            (
                monotonic() - self.begun,
                round,
                1 + self.steps * round,
                float(norms[0]) / self.problem.values[0],
                float(error[0]),
            )
        )

    def begin(self, state):
        """Set the clock to zero."""
        self.rows, self.begun = [], monotonic()
        self.state(state)

    def state(self, state):
        """Note the state after a round of all; of workers in windows every local round is noted."""
        self(state.round, state.vectors, None, state.residuals[self.own] * state.eigenvalues.max())


def follow_paced(world, problem, rounds, inject, tol, *, seed, **options):
    """Run a method, named by options of ``fit``, until ``tol`` or so many rounds, with what is
    injected: a ``Timed`` on the root. Collective.

    There are as many ranks as components.
    """
    count = len(problem.vectors)
    config = FitSettings(
        components=count, tol=tol, max_rounds=rounds, inject_latency=tuple(inject), **options
    ).check()
    around = injected(config.inject_latency, world.rank, world.size, seed)
    exchange = around.exchange(Considerate(world, Grid(world.size, 1), Counters()))
    operator = around.operator(
        GramCovariance(lambda _: (problem.sigma, None, 0, 0.0), True, exchange, exchange.counters)
    )
    method = config.chosen.build(operator, exchange, count, config, 0)
    log = Log(problem, method.own, config.local_steps or 1)
    note = log.state
    if isinstance(method, WindowExchange):
        method.watch, note = log, lambda state: None
    state = method.initialize(problem.start[method.own])
    world.comm.Barrier()
    log.begin(state)
    while state.round < rounds and not (state.residuals <= 0.8 * tol).all():
        state = method.step(state)
        note(state)
    panel = exchange.gather_small(state.vectors, exchange.grid.offsets(count))
    logs = world.comm.gather(np.array(log.rows))
    exchange.free()
    return merged(logs, panel, problem.vectors) if world.is_root else None


def merged(logs, panel, true):
    """A ``Timed`` of all workers' logs: (rows, 5) each."""
    times = np.linspace(0.0, max(log[-1, 0] for log in logs), SAMPLES)
    last = [log[np.maximum(np.searchsorted(log[:, 0], times, side="right") - 1, 0)] for log in logs]
    _, rounds, applications, residuals, found = np.stack(last, axis=2).transpose(
        1, 0, 2
    )  # each (R, K)
    reached = np.array([settled(log) for log in logs])
    return Timed(
        found, applications.sum(axis=1), times, panel, true, residuals, rounds.mean(axis=1), reached
    )


def settled(log):
    """Seconds from which on a worker's residual stays within the level; NaN where it never does."""
    above = np.flatnonzero(~(log[:, 3] <= LEVEL))
    first = above[-1] + 1 if len(above) else 0
    return log[first, 0] if first < len(log) else np.nan
