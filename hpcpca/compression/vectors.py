"""Small sets of vectors (r, n), as rows: made orthonormal, and made ready for the next step."""

import numpy as np

from ..kernels import low_rank
from ..linalg.orth import cholesky_qr

VANISHED = 8  # rounding units: a vector of which no more is left is noise


def gram_schmidt(rows):
    """Make rows orthonormal in place, each against those before it; return them.

    Those that depend on others become zeros.
    """
    low_rank.gram_schmidt(rows, VANISHED * float(np.finfo(rows.dtype).eps))
    return rows


def cholesky_qr2(rows):
    """As ``gram_schmidt``, by two Cholesky factorisations of Gram matrices in float64."""
    for _ in range(2):
        rows[...] = cholesky_qr(rows)
    return rows


def normalised(rows):
    """Scale rows to length 1 in place; return them. Zeros stay."""
    for row in rows:
        low_rank.gram_schmidt(row[None], 0.0)
    return rows


ORTHONORMALISE = {"gram-schmidt": gram_schmidt, "cholesky-qr2": cholesky_qr2, None: normalised}


def scaled(rows):
    """Return rows scaled by powers of two: their peaks are between 0.5 and 1, or zero."""
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    return np.ldexp(rows, -np.frexp(peaks)[1][:, None])


def refilled(rows, random):
    """Return rows in which those that are zeros, which would stay zeros, are replaced by those of
    ``random()`` (r, n).
    """
    is_zero = ~rows.any(axis=1)
    return np.where(is_zero[:, None], random(), rows) if is_zero.any() else rows
