"""What a method does on a problem, round by round."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...linalg.orth import orthonormal_rows
from ...operators.gram import GramCovariance
from ...partition import Grid
from ...pca.settings import FitSettings
from .problems import errors


@dataclass(frozen=True)
class Trajectory:
    """After each of R rounds: every component's error (R, K), applications of Σ by all workers
    (R), seconds spent in rounds (R).

    ``final`` (K, d) are the vectors at the end, ``true`` (K, d) those they should be.
    """

    errors: np.ndarray
    applications: np.ndarray
    seconds: np.ndarray
    final: np.ndarray
    true: np.ndarray
    more = ()  # what else there is of every trajectory

    @property
    def mean(self):
        """The paper's error (eq. 10): (R)."""
        return np.sqrt((self.errors**2).mean(axis=1))

    @property
    def largest(self):
        """Of the components' errors: (R)."""
        return self.errors.max(axis=1)

    def plane(self, first):
        """Sine of the largest angle between components first, first + 1 at the end and the plane
        of the true ones.
        """
        found = orthonormal_rows(self.final[first : first + 2])
        true = self.true[first : first + 2]
        return float(np.linalg.norm(found - (found @ true.T) @ true, 2)) if len(found) == 2 else 1.0


def follow(world, problem, rounds, every=1, basis=10**6, **options):
    """Run a method, named by options of ``fit``, on a ``Problem`` for so many rounds; keep every
    ``every``-th. Collective.

    A method that has nothing left to improve stays where it is.
    """
    count = len(problem.vectors)
    config = FitSettings(components=count, **({"tol": 0.0} | options)).check()
    exchange = Exchange(world, Grid(world.size, 1), Counters())
    operator = GramCovariance(
        lambda _: (problem.sigma, None, 0, 0.0), True, exchange, exchange.counters
    )
    method = config.chosen.build(operator, exchange, count, config, basis)
    state, spent, kept = method.initialize(problem.start[method.own]), 0.0, []
    for number in range(1, rounds + 1):
        begun = perf_counter()
        state = state if state.exhausted else method.step(state)
        spent += perf_counter() - begun
        if number % every == 0:
            panel = exchange.gather_small(state.vectors, exchange.grid.offsets(count))
            kept.append((errors(panel, problem.vectors), exchange.counters.applications, spent))
    exchange.free()
    return Trajectory(*map(np.array, zip(*kept)), panel, problem.vectors)


def rounds_to(error, level):
    """Number of the first round (from 1) from which on ``error`` (R) stays within ``level``; NaN
    where it never does.
    """
    above = np.flatnonzero(~(error <= level))
    first = above[-1] + 1 if len(above) else 0
    return float(first + 1) if first < len(error) else np.nan
