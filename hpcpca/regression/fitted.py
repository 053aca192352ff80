"""The covariance of the fitted values, S = DᵀC⁻¹D, from sums taken in one reading: its eigenpairs
are the pairs of the regression.

With H^-½ on both sides it is that of canonical correlations, and without C⁻¹ that of PLS-SVD.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..operators.cost import SWEEPS, Plan, algebra_seconds, convert_seconds, read_seconds
from .base import FittedValues, Found, metric_of, whitened
from .job import EIGH_FLOPS, summing_bytes
from .sums import Given, Reading
from .tiles import Products
from .whitening import root


@dataclass(frozen=True)
class Solved:
    """What the root has made of the sums."""

    coefficients: np.ndarray  # (d, q) G⁻¹D H^-½; the columns of a pair are its product with b
    left: np.ndarray  # (r, q) M, with MᵀM = S
    weights: np.ndarray | None  # (q, q) H^-½, or None if H = I
    found: Found


def solve(sums, metric):
    """Return the ``Solved`` problem of the ``Sums`` with a ``Metric``. On the root."""
    cxy, weights = sums.cxy, None
    deviation = float(np.sqrt(sums.y.variances.max()))
    if metric.targets:
        scaled = np.ldexp(metric.ridge_targets / sums.divisor, -2 * sums.y.exponent)
        weights, _ = root(sums.cyy, scaled, sums.rounding)
        cxy, deviation = cxy @ weights, 1.0
    if not metric.inputs:
        return Solved(cxy, cxy, weights, Found(len(cxy), 1.0, 0.0, 2 * sums.rounding))
    whitening, left, plain, found = whitened(sums, metric, cxy, deviation)
    return Solved(whitening.least(plain), left, weights, found)


class FittedCovariance(FittedValues):
    """S (q, q), once per node, applied by every rank to its own vectors without communication:
    as a matrix, or as M (r, q) if that is smaller.

    ``reading.sums(is_double, earlier)`` gives the sums, on the root.
    """

    def __init__(self, reading, metric, is_double, exchange, counters, *, earlier=None):
        super().__init__(metric, is_double, exchange, counters)
        self._reading = reading
        self._held = self._coefficients = self._weights = None
        self._take(reading.sums(is_double, earlier))

    def _take(self, sums):
        exchange = self._exchange
        solved = None
        with exchange.agreed():
            if exchange.rank == 0:
                solved = solve(sums, self._metric)
        self._know(sums, solved and solved.found)
        self._hold(solved)

    def _hold(self, solved):
        """Put what the root has solved on all nodes."""
        d, q = self.inputs, self.d
        is_tall = q <= 2 * d
        held = coefficients = weights = None
        if solved:
            held = solved.left.T @ solved.left if is_tall else solved.left
            coefficients, weights = solved.coefficients.T, solved.weights
        rows = q if is_tall else int(self._exchange.maximum(0 if held is None else len(held)))
        self._is_tall = is_tall
        self._held = self._on_nodes(held, (rows, q), self._held)
        self._coefficients = self._on_nodes(coefficients, (q, d), self._coefficients)
        if self._metric.targets:
            self._weights = self._on_nodes(weights, (q, q), self._weights)

    def to_double(self):
        """Continue in float64: read again. Images must be computed again. Collective."""
        self.is_double = True
        self._take(self._reading.sums(True))

    def apply(self, panel, offsets):
        """Return the images (own, q) of this rank's vectors; ``panel`` (c, q) holds its group's,
        ``offsets`` says who owns which of all.
        """
        own, held = self._exchange.own_rows(panel, offsets), self._held.array
        with self._counters.time("apply"):
            return own @ held if self._is_tall else (own @ held.T) @ held

    def _coefficients_of(self, vectors, offsets, may_stop):
        return vectors @ self._coefficients.array

    def targets_of(self, vectors):
        """Return the weights (r, q) of the targets that ``vectors`` stand for: H^-½ b."""
        if self._weights is None:
            return vectors
        return np.ldexp(vectors @ self._weights.array, -self.y.exponent)


def load(resources, settings, plan, resumed):
    """Return the ``FittedCovariance`` of the data. Collective."""
    data = resources.source
    if settings.covariance:
        reading = Given(replace(resources, source=data.source), data.inputs)
    else:
        products = Products(with_targets=settings.whiten == "both")
        reading = Reading(resources, is_centred=not settings.no_centre, products=products)
    return FittedCovariance(
        reading,
        metric_of(settings),
        settings.starts_in_double,
        resources.exchange,
        resources.counters,
        earlier=resumed.unfinished,
    )


def cost(job):
    """Return the ``Plan`` of a job that holds the sums: C (d, d), D (d, q) and what is solved
    from them.
    """
    d, q, n = job.inputs, job.d, job.n or 0
    sums = 8 * (d + q * job.with_targets) * (d + q)
    on_node = 8 * (min(q * q, d * q) + d * q + q * q * job.with_targets)
    solving = sums + 8 * (4 * d * d + 3 * d * q + 4 * q * q * job.with_targets)
    held = on_node + solving + summing_bytes(job, sums)
    apply = job.passes * 2 * q * min(q, 2 * d) * job.panel / (job.rates.large8 * job.cores)
    seconds = summing_seconds(job) + apply + algebra_seconds(job)
    return Plan("gram", job.shards or 1, held, seconds, n * (d + q) // job.ranks)


def summing_seconds(job):
    """Of one reading that sums, n·d·(d + 2q) flops at the rate of a large product, and of solving:
    9·d³ and 2·d²·q on one rank.
    """
    d, q, n = job.inputs, job.d, job.n or 0
    products = n * (d * d + 2 * d * q + q * q * job.with_targets)
    summing = products / (job.rates.large(job.work.itemsize) * job.cores)
    alone = (EIGH_FLOPS * d**3 / 4 + 4 * d * d * q + q * q * d) / (job.rates.large8 * job.threads)
    converting = convert_seconds(job) * (d + q) / q if n else 0.0
    reading = read_seconds(job) if n else 0.0
    return max(summing + SWEEPS * converting, reading) + alone
