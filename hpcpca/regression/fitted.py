"""The covariance of the fitted values, S = DᵀC⁻¹D: its eigenpairs are the pairs of the regression.

With H^-½ on both sides it is that of canonical correlations, and without C⁻¹ that of PLS-SVD.
"""

from dataclasses import dataclass

import numpy as np

from ..operators.operator import Operator
from .whitening import best_ridge, root, whitening

POWER_STEPS = 30  # to estimate a norm: to a few percent
SPARE = 1.1  # times that


@dataclass(frozen=True)
class Metric:
    """Which of the sums whiten: ``inputs`` (C + ρI) and ``targets`` (E + ρ'I); ρ undivided, a
    number or "auto".
    """

    inputs: bool = True
    targets: bool = False
    ridge: float | str = 0.0
    ridge_targets: float = 0.0


@dataclass(frozen=True)
class Solved:
    """What the root has made of the sums."""

    coefficients: np.ndarray  # (d, q) G⁻¹D H^-½; the columns of a pair are its product with b
    left: np.ndarray  # (r, q) M, with MᵀM = S
    weights: np.ndarray | None  # (q, q) H^-½, or None if H = I
    rank: int
    condition: float
    ridge: float  # divided, scaled
    rounding: float  # of S, relative to its largest eigenvalue


def solve(sums, metric):
    """Return the ``Solved`` problem of the ``Sums`` with a ``Metric``. On the root."""
    ridge = _ridge(sums, metric)
    cxy, weights = sums.cxy, None
    if metric.targets:
        scaled = np.ldexp(metric.ridge_targets / sums.divisor, -2 * sums.y.exponent)
        weights, _ = root(sums.cyy, scaled, sums.rounding)
        cxy = cxy @ weights
    if not metric.inputs:
        return Solved(cxy, cxy, weights, len(cxy), 1.0, 0.0, 2 * sums.rounding)
    found = whitening(sums.cxx, ridge, sums.rounding)
    left = found.factor.T @ cxy
    plain = found.factor @ left
    deviation = float(np.sqrt(sums.y.variances.max())) if weights is None else 1.0
    rounding = _rounding(found, plain, left, sums.rounding, deviation)
    return Solved(found.least(plain), left, weights, found.rank, found.condition, ridge, rounding)


def _ridge(sums, metric):
    """ρ as the sums are: divided, and scaled as C is."""
    if metric.ridge == "auto":
        return best_ridge(sums.cxx, sums.cxy, float(sums.y.variances.sum()), sums.divisor)
    return float(np.ldexp(metric.ridge / sums.divisor, -2 * sums.x.exponent))


def _rounding(found, plain, left, rounding, deviation):
    """What errors of relative size ``rounding`` in the sums make in S, over its largest
    eigenvalue: δS ≈ δDᵀA + AᵀδD − AᵀδC·A with A = C⁻¹D, rows and columns of C scaled to 1.

    ``deviation`` is that of the target that varies most.
    """
    size = max(_norm(left), np.finfo(float).tiny)
    steepness = _norm(plain / found.scale[:, None]) / size
    # errors of entries add up to at least what they do if they are independent
    of_inputs = max(found.largest, len(found.scale) ** 0.5)
    of_both = np.sqrt(of_inputs) * max(deviation / size, 1.0)
    return float(rounding * steepness * (steepness * of_inputs + 2 * of_both))


def _norm(matrix):
    """The spectral norm, from below, to a few percent, times ``SPARE``."""
    vector = np.ones(matrix.shape[1]) + np.linspace(0, 0.5, matrix.shape[1])
    for _ in range(POWER_STEPS):
        length = np.linalg.norm(vector)
        if not length > 0:
            return 0.0
        image = matrix @ (vector / length)
        vector = matrix.T @ image
    return SPARE * float(np.linalg.norm(image))


class FittedCovariance(Operator):
    """S (q, q), once per node, applied by every rank to its own vectors without communication:
    as a matrix, or as M (r, q) if that is smaller.

    ``reading.sums(is_double, earlier)`` gives the sums, on the root.
    """

    def __init__(self, reading, metric, is_double, exchange, counters, *, earlier=None):
        self._reading, self._metric = reading, metric
        self._exchange, self._counters = exchange, counters
        self._held = self._coefficients = self._weights = None
        self.is_double = is_double
        self._take(reading.sums(is_double, earlier))

    def _take(self, sums):
        exchange = self._exchange
        solved = None
        with exchange.agreed():
            if exchange.rank == 0:
                solved = solve(sums, self._metric)
        self.x, self.y, self.n, self.divisor = sums.x, sums.y, sums.n, sums.divisor
        self.inputs, self.d = len(sums.x), len(sums.y)
        self._hold(solved)
        figures = exchange.from_root(lambda: [_figures(solved)], 4)[0].tolist()
        self.rank, self.condition, self.ridge, self.rounding = int(figures[0]), *figures[1:]
        self.exponent = 2 * self._exponent

    @property
    def _exponent(self):
        """Of θ, divided by the root of n − 1: that of what is not whitened."""
        of_y = 0 if self._metric.targets else self.y.exponent
        return of_y + (0 if self._metric.inputs else self.x.exponent)

    def _hold(self, solved):
        """Put what the root has solved on all nodes."""
        exchange = self._exchange
        for panel in (self._held, self._coefficients, self._weights):
            if panel is not None:
                exchange.release(panel)
        d, q = self.inputs, self.d
        is_tall = q <= 2 * d
        held = coefficients = weights = None
        if solved:
            held = solved.left.T @ solved.left if is_tall else solved.left
            coefficients, weights = solved.coefficients.T, solved.weights
        rows = q if is_tall else int(exchange.maximum(0 if held is None else len(held)))
        self._is_tall = is_tall
        self._held = self._on_nodes(held, (rows, q))
        self._coefficients = self._on_nodes(coefficients, (q, d))
        self._weights = self._on_nodes(weights, (q, q)) if self._metric.targets else None

    def _on_nodes(self, array, shape):
        """A panel of this shape, with what the root has in ``array``. Collective."""
        panel = self._exchange.panel(*shape)
        offsets = np.full(self._exchange.size + 1, shape[0])
        offsets[0] = 0
        own = np.zeros((0, shape[1])) if array is None else array
        self._exchange.publish(own, panel, offsets)
        return panel

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

    def inputs_of(self, vectors, eigenvalues):
        """Return the input side (r, d) of pairs with ``vectors`` (r, q), in the data's own units.

        Regression: a = C⁻¹D b. Else directions of unit length (PLS-SVD), or with scores of unit
        variance (canonical correlations), with the scaled ``eigenvalues`` (r).
        """
        found = vectors @ self._coefficients.array
        if self._metric.inputs and not self._metric.targets:
            return np.ldexp(found, self._exponent - self.x.exponent)
        lengths = np.sqrt(np.maximum(eigenvalues, np.finfo(float).tiny))[:, None]
        return np.ldexp(found / lengths, -self.x.exponent if self._metric.inputs else 0)

    def targets_of(self, vectors):
        """Return the weights (r, q) of the targets that ``vectors`` stand for: H^-½ b."""
        if self._weights is None:
            return vectors
        return np.ldexp(vectors @ self._weights.array, -self.y.exponent)

    @property
    def total_variance(self):
        """Trace of E, divided by n − 1, in the data's own units."""
        return float(np.ldexp(self.y.variances.sum(), 2 * self.y.exponent))

    @property
    def true_ridge(self):
        """ρ, undivided, in the data's own units."""
        return float(np.ldexp(self.ridge * self.divisor, 2 * self.x.exponent))


def _figures(solved):
    return np.array([solved.rank, solved.condition, solved.ridge, solved.rounding])
