"""The metric of a matrix of sums: its inverse square root, its rank and its condition."""

from dataclasses import dataclass

import numpy as np

EPSILON, TINY = 2.0**-52, np.finfo(float).tiny
GRID, REFINED = 61, 40  # ridges tried, and steps between the two best


@dataclass(frozen=True)
class Whitening:
    """``factor`` (d, r) with factorᵀ·(C + ρI)·factor = I, and what was found of C on the way."""

    factor: np.ndarray
    rank: int
    condition: float  # of C + ρI, its rows and columns scaled to a unit diagonal
    largest: float  # eigenvalue of that
    scale: np.ndarray  # (d) of those rows and columns
    null: np.ndarray | None = None  # (d, d − r) orthonormal: what C takes to nothing, if any
    left_out: np.ndarray | None = None  # (d, d − r) what ``factor`` would have for these

    def least(self, vectors):
        """Return vectors (d, c) less their part that C takes to nothing: the smallest that do the
        same.
        """
        if self.null is None:
            return vectors
        return vectors - self.null @ (self.null.T @ vectors)


def whitening(matrix, ridge, rounding):
    """Return the ``Whitening`` of a positive semidefinite C (d, d), plus ``ridge`` times the
    identity; the pseudo-inverse if C has not full rank.

    Rows and columns are scaled to a unit diagonal first, so that no unit of measurement makes a
    variable small. ``rounding`` is the error of C's entries so scaled.
    """
    d = len(matrix)
    lengths = np.sqrt(np.maximum(np.diag(matrix) + ridge, 0.0))
    scale = np.divide(1.0, lengths, out=np.ones(d), where=lengths > 0)
    scaled = matrix * scale * scale[:, None]
    scaled[np.diag_indices(d)] += ridge * scale**2
    values, vectors = np.linalg.eigh(scaled)
    cut = max(values[-1], 0.0) * d * max(EPSILON, rounding)
    kept = values > cut
    factor = vectors[:, kept] / np.sqrt(values[kept]) * scale[:, None]
    null = left_out = None
    if not kept.all():
        # C·v = 0 is the scaled matrix on v / scale
        null = np.linalg.qr(vectors[:, ~kept] * scale[:, None])[0]
        known = np.maximum(values[~kept], max(values[-1], TINY) * max(EPSILON, rounding))
        left_out = vectors[:, ~kept] / np.sqrt(known) * scale[:, None]
    least = values[kept][0] if kept.any() else np.nan
    largest = float(values[-1])
    condition = float(largest / least)
    return Whitening(factor, int(kept.sum()), condition, largest, scale, null, left_out)


def root(matrix, ridge, rounding):
    """Return (E + ρI)^-½ (q, q), symmetric, of the pseudo-inverse if E has not full rank; and its
    rank.
    """
    values, vectors = np.linalg.eigh(matrix)
    values = values + ridge
    kept = values > max(values[-1], 0.0) * len(values) * max(EPSILON, rounding)
    roots = np.zeros(len(values))
    roots[kept] = values[kept] ** -0.5
    return (vectors * roots) @ vectors.T, int(kept.sum())


def best_ridge(cxx, cxy, total, divisor):
    """Return the ridge with the least generalised cross-validation error of the full-rank fit
    (Golub, Heath and Wahba 1979), divided by ``divisor`` as the sums are; and whether less would
    do as well, however little.

    ``cxx`` (d, d), ``cxy`` (d, q); ``total`` is the trace of E; ``divisor`` rows less one.
    """
    values, vectors = np.linalg.eigh(cxx)
    kept = values > EPSILON * len(values) * values[-1]
    values = values[kept]
    along = ((vectors[:, kept].T @ cxy) ** 2).sum(axis=1) / values
    return best_of_ridges(values, along, total, divisor)


def best_of_ridges(values, along, total, divisor):
    """Return the same from the positive eigenvalues of C (r), smallest first, and how much of E's
    trace lies ``along`` X's components (r).
    """
    freedom = divisor - len(values)  # that no fit takes
    outside = max(0.0, total - along.sum()) if freedom > 0 else 0.0

    def error(logarithm):
        shrunk = 1 / (1 + values / np.exp(logarithm))  # nothing cancels in a sum of these
        return (outside + (along * shrunk**2).sum()) / (freedom + shrunk.sum()) ** 2

    top = np.log(values[-1])
    grid = np.linspace(np.log(values[0]) - 10, top + 10, GRID)
    best = int(np.argmin([error(each) for each in grid]))
    low, high = grid[max(0, best - 1)], grid[min(GRID - 1, best + 1)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(REFINED):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if error(left) < error(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2)), best == 0
