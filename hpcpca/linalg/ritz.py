"""Rayleigh–Ritz and thick restart, on coefficients in a basis Q (N, d), orthonormal unless said."""

import numpy as np

from .orth import TILE, orthonormal_rows, whitening


def rayleigh_ritz(projected, m):
    """Return the m largest Ritz values (m) and their coefficients (m, N), given H = QΣQᵀ (N, N)."""
    values, vectors = np.linalg.eigh((projected + projected.T) / 2)
    return values[::-1][:m], vectors[:, ::-1][:, :m].T


def rayleigh_ritz_beside(projected, m, kept):
    """As ``rayleigh_ritz`` on what is orthogonal to the first ``kept`` rows of Q, which are the
    first of the m vectors as they are.
    """
    values, inner = rayleigh_ritz(projected[kept:, kept:], m - kept)
    coefficients = np.zeros((m, len(projected)))
    coefficients[:kept, :kept] = np.eye(kept)
    coefficients[kept:, kept:] = inner
    return np.concatenate([np.diag(projected)[:kept], values]), coefficients


def residual_rows(values, coefficients, basis, images):
    """Return ΣV − θV (m, d) of Ritz values θ (m) and their vectors V = CQ, C (m, N), given Q and
    ΣQ (N, d).

    What is asked of both is formed a few columns at a time, while they are in cache.
    """
    scaled = values[:, None] * coefficients
    found = np.empty((len(coefficients), basis.shape[1]))
    for start in range(0, basis.shape[1], TILE):
        tile = slice(start, start + TILE)
        found[:, tile] = coefficients @ images[:, tile] - scaled @ basis[:, tile]
    return found


def ritz_of_rows(gram, projected, independent):
    """Return the coefficients (m, m) of the Ritz vectors in any rows V (m, d), largest first,
    given gram = VVᵀ and projected = VΣVᵀ.

    Zeros if the smallest eigenvalue of VVᵀ is below ``independent`` times the largest: their
    images would have few digits.
    """
    transform = whitening(gram, independent)
    if len(transform) < len(gram):
        return np.zeros_like(gram)
    return rayleigh_ritz(transform @ projected @ transform.T, len(gram))[1] @ transform


def thick_restart(coefficients, previous):
    """Return G (g, N), orthonormal, spanning this round's Ritz coefficients (m, N) and last
    round's (m, N′ ≤ N).

    Q ← GQ keeps both. Keeping the Ritz vectors alone loses the three-term recurrence and costs
    about half as many passes again; doing it on the vectors themselves cancels and stalls.
    """
    padded = np.zeros((len(previous), coefficients.shape[1]))
    padded[:, : previous.shape[1]] = previous
    return np.vstack([coefficients, orthonormal_rows(_off(padded, coefficients))])


def _off(rows, basis):
    """Rows minus their part in the span of ``basis``; what is left of nearly dependent rows is
    dropped.
    """
    rest = rows - (rows @ basis.T) @ basis
    rest -= (rest @ basis.T) @ basis
    return rest[np.linalg.norm(rest, axis=1) > 1e-7]
