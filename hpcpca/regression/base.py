"""What all ways to hold S = DᵀC⁻¹D share: its metric, and what is known of it."""

from dataclasses import astuple, dataclass, fields

import numpy as np

from ..operators.operator import Operator
from .whitening import best_ridge, whitening

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


def metric_of(settings):
    """The ``Metric`` that settings ask for."""
    return Metric(
        inputs=settings.whiten != "none",
        targets=settings.whiten == "both",
        ridge=settings.rho(),
        ridge_targets=settings.ridge_y,
    )


@dataclass(frozen=True)
class Found:
    """What the root has found of C and S."""

    rank: int  # of C + ρI; d if C does not whiten
    condition: float  # of C + ρI
    ridge: float  # divided, scaled
    rounding: float  # of S, relative to its largest eigenvalue
    is_least_ridge: bool = False  # the one that was found is the smallest looked at


def whitened(sums, metric, cxy, deviation):
    """Return the ``Whitening`` of C + ρI, M = factorᵀ·cxy, C⁻¹·cxy and what was ``Found``.

    ``cxy`` (d, …) is D, or a sketch of it; ``deviation`` that of the target that varies most. On
    the root.
    """
    ridge, is_least = _ridge(sums, metric)
    found = whitening(sums.cxx, ridge, sums.rounding)
    left = found.factor.T @ cxy
    plain = found.factor @ left
    rounding = _rounding(found, plain, left, sums.rounding, deviation)
    if found.left_out is not None:
        # directions that look dependent may be real
        rounding += (norm(found.left_out.T @ cxy) / max(norm(left), np.finfo(float).tiny)) ** 2
    return found, left, plain, Found(found.rank, found.condition, ridge, rounding, is_least)


def _ridge(sums, metric):
    """ρ as the sums are: divided, and scaled as C is."""
    if metric.ridge == "auto":
        return best_ridge(sums.cxx, sums.cxy, float(sums.y.variances.sum()), sums.divisor)
    return scaled_ridge(sums, metric), False


def scaled_ridge(sums, metric):
    """A ρ that is a number, divided, and scaled as C is."""
    return float(np.ldexp(metric.ridge / sums.divisor, -2 * sums.x.exponent))


def _rounding(found, plain, left, rounding, deviation):
    """What errors of relative size ``rounding`` in the sums make in S, over its largest
    eigenvalue: δS ≈ δDᵀA + AᵀδD − AᵀδC·A with A = C⁻¹D, rows and columns of C scaled to 1.

    ``deviation`` is that of the target that varies most.
    """
    size = max(norm(left), np.finfo(float).tiny)
    steepness = norm(plain / found.scale[:, None]) / size
    # errors of entries add up to at least what they do if they are independent
    of_inputs = max(found.largest, len(found.scale) ** 0.5)
    of_both = np.sqrt(of_inputs) * max(deviation / size, 1.0)
    return float(rounding * steepness * (steepness * of_inputs + 2 * of_both))


def norm(matrix):
    """The spectral norm, from below, to a few percent, times ``SPARE``."""
    vector = np.ones(matrix.shape[1]) + np.linspace(0, 0.5, matrix.shape[1])
    for _ in range(POWER_STEPS):
        length = np.linalg.norm(vector)
        if not length > 0:
            return 0.0
        image = matrix @ (vector / length)
        vector = matrix.T @ image
    return SPARE * float(np.linalg.norm(image))


class FittedValues(Operator):
    """S (q, q), the covariance of the fitted values.

    ``inputs_at_hand`` says whether ``inputs_of`` is quick: else it takes another reading.
    """

    inputs_at_hand = True

    def __init__(self, metric, is_double, exchange, counters):
        self._metric, self.is_double = metric, is_double
        self._exchange, self._counters = exchange, counters

    def _know(self, sums, found):
        """Take over what all ranks know of the ``Sums``, and what the root has ``Found`` (else
        None). Collective.
        """
        self.x, self.y, self.n, self.divisor = sums.x, sums.y, sums.n, sums.divisor
        self.inputs, self.d = len(sums.x), len(sums.y)
        shape = len(fields(Found))
        figures = self._exchange.from_root(lambda: [np.array(astuple(found), dtype=float)], shape)[
            0
        ]
        rank, self.condition, self.ridge, self.rounding, is_least = figures.tolist()
        self.is_least_ridge = bool(is_least)
        self.rank, self.exponent = int(rank), 2 * self._exponent

    @property
    def _exponent(self):
        """Of θ, divided by the root of n − 1: that of what is not whitened."""
        of_y = 0 if self._metric.targets else self.y.exponent
        return of_y + (0 if self._metric.inputs else self.x.exponent)

    def _on_nodes(self, array, shape, former=None):
        """A panel of this shape on every node, with what the root has in ``array``, in the place
        of a ``former`` one. Collective.
        """
        if former is not None:
            self._exchange.release(former)
        panel = self._exchange.panel(*shape)
        offsets = np.full(self._exchange.size + 1, shape[0])
        offsets[0] = 0
        own = np.zeros((0, shape[1])) if array is None else array
        self._exchange.publish(own, panel, offsets)
        return panel

    def inputs_of(self, vectors, eigenvalues, offsets, may_stop=False):
        """Return the input side (r, d) of this rank's pairs with ``vectors`` (r, q), in the data's
        own units; ``offsets`` says who has which of all. Collective.

        Regression: a = C⁻¹D b. Else directions of unit length (PLS-SVD), or with scores of unit
        variance (canonical correlations), with the scaled ``eigenvalues`` (r). If it ``may_stop``,
        a request to stop raises Interrupted.
        """
        found = self._coefficients_of(vectors, offsets, may_stop)
        if self._metric.inputs and not self._metric.targets:
            return np.ldexp(found, self._exponent - self.x.exponent)
        lengths = np.sqrt(np.maximum(eigenvalues, np.finfo(float).tiny))[:, None]
        return np.ldexp(found / lengths, -self.x.exponent if self._metric.inputs else 0)

    def targets_of(self, vectors):
        """Return the weights (r, q) of the targets that ``vectors`` stand for."""
        return vectors

    @property
    def total_variance(self):
        """Trace of E, divided by n − 1, in the data's own units."""
        return float(np.ldexp(self.y.variances.sum(), 2 * self.y.exponent))

    @property
    def true_ridge(self):
        """ρ, undivided, in the data's own units."""
        return float(np.ldexp(self.ridge * self.divisor, 2 * self.x.exponent))
