"""Regressions of prescribed strengths, and how far pairs are from theirs, round by round.

With the inputs whitened a regression is a matrix M = PΘQᵀ, and the pair k is p_k b_kᵀ with p = M b.
"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...operators.gram import GramCovariance
from ...partition import Grid
from ...regression.settings import RegressSettings
from ...rng import unit_vectors


@dataclass(frozen=True)
class Regression:
    """M (d, q) of the ``strengths`` θ (r), its singular vectors P (r, d) and Q (r, q) as rows, and
    start vectors (R, q).
    """

    strengths: np.ndarray
    left: np.ndarray
    right: np.ndarray
    start: np.ndarray

    @property
    def sigma(self):
        """S = MᵀM (q, q)."""
        return (self.right.T * self.strengths**2) @ self.right


def regression(strengths, shape, count, seed):
    """A ``Regression`` of ``shape`` (d, q) with these strengths; directions and start are keyed by
    seed.
    """
    rng = np.random.default_rng([seed, *shape])
    left, right = (np.linalg.qr(rng.standard_normal((side, len(strengths))))[0].T for side in shape)
    return Regression(strengths, left, right, unit_vectors(seed, range(count), shape[1]))


@dataclass(frozen=True)
class PairTrajectory:
    """After each of L rounds, of R pairs: ``errors`` (L, R) G_k = ‖p_k b_kᵀ − p_k* b_k*ᵀ‖_F / θ_k,
    ``mismatch`` (L, R) of each worker's targets, ‖Σ_{j<k} (p_j b_jᵀ − p_j* b_j*ᵀ)‖_F, and ``loss``
    (L) above the least, over what the R pairs take off it.
    """

    errors: np.ndarray
    mismatch: np.ndarray
    loss: np.ndarray
    applications: np.ndarray
    seconds: np.ndarray
    more = ("mismatch", "loss")

    @property
    def mean(self):
        """Root mean square of the pairs' errors: (L)."""
        return np.sqrt((self.errors**2).mean(axis=1))

    @property
    def largest(self):
        """Of the pairs' errors: (L)."""
        return self.errors.max(axis=1)


def follow_pairs(world, case, rounds, **options):
    """The ``PairTrajectory`` of a method, named by options of ``regress``. Collective."""
    count = len(case.start)
    settings = {"tol": 0.0, "targets": ("",)} | options
    config = RegressSettings(components=count, **settings).check()
    exchange = Exchange(world, Grid(world.size, 1), Counters())
    operator = GramCovariance(lambda _: (case.sigma, None, 0, 0.0), True, exchange, Counters())
    method = config.chosen.build(operator, exchange, count, config, 10**6)
    offsets, spent, kept = exchange.grid.offsets(count), 0.0, []
    state = method.initialize(case.start[method.own])
    for _ in range(rounds):
        begun = perf_counter()
        state = state if state.exhausted else method.step(state)
        spent += perf_counter() - begun
        fits = state.memory.get("pair_fits", state.images)
        right, fits = (exchange.gather_small(each, offsets) for each in (state.vectors, fits))
        kept.append((*_measured(case, right, fits), exchange.counters.applications, spent))
    exchange.free()
    return PairTrajectory(*map(np.array, zip(*kept)))


def _measured(case, right, fits):
    """Errors (R), mismatches (R) and loss of pairs with ``right`` (R, q) b and ``fits`` (R, q)
    f = Mᵀp.
    """
    count = len(right)
    left = (fits @ case.right.T / case.strengths) @ case.left  # p
    true = case.left[:count] * case.strengths[:count, None], case.right[:count]
    signs = np.sign((right * true[1]).sum(axis=1))[:, None]
    signs[signs == 0] = 1.0
    left, right = left * signs, right * signs
    # p bᵀ − p* b*ᵀ = δbᵀ + p*εᵀ, of which nothing cancels
    delta, epsilon = left - true[0], right - true[1]
    parts = delta[:, :, None] * right[:, None, :] + true[0][:, :, None] * epsilon[:, None, :]
    errors = np.linalg.norm(parts, axis=(1, 2)) / case.strengths[:count]
    sums = np.cumsum(parts, axis=0)
    mismatch = np.append(0.0, np.linalg.norm(sums[:-1], axis=(1, 2)))
    # ‖M − W‖² − ‖M − W*‖² with W = W* + sums[-1]
    rest = (case.left[count:].T * case.strengths[count:]) @ case.right[count:]
    excess = (sums[-1] ** 2).sum() - 2 * (rest * sums[-1]).sum()
    return errors, mismatch, excess / (case.strengths[:count] ** 2).sum()
