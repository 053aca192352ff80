"""Orthonormal rows: projection, whitening by the Gram matrix, and how far rows are from
orthonormal.
"""

import numpy as np

DROP = 1e-10  # directions whose share of the Gram matrix is below this are noise
ROUNDING = 1e-24  # squared length of what is left of a unit vector when all of it was in the basis
RAW, OFF, WHITE, DONE = range(4)  # what rows are on their way to orthonormal ones
WELL = 0.1  # smallest eigenvalue of the Gram matrix of rows that one sweep makes orthonormal
SMALL = 0.01  # squared length of a unit vector's part in the basis of which no second look is worth
TILE = 2048  # columns that a sweep over rows takes at a time: results stay in cache


def project_off(rows, basis):
    """rows −= rows·basisᵀ·basis, twice, in place: rows (r, d), basis (N, d) orthonormal
    (Gram–Schmidt, "twice is enough").
    """
    for _ in range(2):
        rows -= (rows @ basis.T) @ basis
    return rows


def whitening(gram, drop=DROP):
    """Return T (a′, a) such that the rows of T·Z are orthonormal, given gram = ZZᵀ (a, a).

    Directions whose eigenvalue is below ``drop`` times the largest are left out, so a′ ≤ a: unlike
    Cholesky QR this does not break down once fewer than a independent directions are left.
    """
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    keep = values > drop * max(values[-1], 0.0) if len(values) else np.zeros(0, bool)
    return (vectors[:, keep] / np.sqrt(values[keep])).T[::-1]


def orthonormalising(products, stage):
    """Return (C, next stage), by which C·[Q; Z] are more nearly orthonormal to Q (N, d) and to one
    another than Z (a, d) are: C (a′, N+a) by ``products`` Z[Q; Z]ᵀ (a, N+a) alone.

    To be repeated until ``DONE``: once if Z are nearly off Q and independent, three times at most.
    Projected and whitened are they at once, since (Z − SQ)(Z − SQ)ᵀ = ZZᵀ − SSᵀ for S = ZQᵀ; but
    first projected only, if that cancels. Whitening amplifies rounding by what it divides by, so
    that it is done again unless that is near 1.
    """
    known = products.shape[1] - len(products)
    inside, gram = products[:, :known], products[:, known:]
    scale = np.ones(len(gram))
    if stage == RAW:  # all weigh alike, however short
        lengths = np.sqrt(np.diag(gram))
        scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    inside, gram = scale[:, None] * inside, scale[:, None] * gram * scale
    part = np.sum(inside**2, axis=1).max(initial=0.0)
    if stage == RAW and part > 0.5:
        transform, following = np.eye(len(gram)), OFF
    else:
        rest = gram - inside @ inside.T
        largest = np.linalg.eigvalsh(rest)[-1] if len(rest) else 0.0
        least = WELL if stage == WHITE else ROUNDING
        transform = whitening(rest, max(DROP, least / largest) if largest > 0 else 1.0)
        is_well = part <= SMALL and np.sum(transform**2, axis=1).max(initial=0.0) <= 1 / WELL
        following = DONE if stage == WHITE or is_well else WHITE
    return np.hstack([-transform @ inside, transform * scale]), following


def combine(coefficients, rows, first):
    """rows[first : first + c] ← coefficients·rows, in place: coefficients (c, r), rows (r, d)."""
    for start in range(0, rows.shape[1], TILE):
        tile = rows[:, start : start + TILE]
        tile[first : first + len(coefficients)] = coefficients @ tile


def orthonormal_rows(rows):
    """Return orthonormal rows spanning the same space: (r, d) → (r′, d), dependent rows dropped."""
    for _ in range(2):
        rows = whitening(rows @ rows.T) @ rows
    return rows


def orthonormality_error(rows, others=None, first=0):
    """Return max |rows·othersᵀ − I| if row i of ``rows`` is number ``first + i`` of
    ``others`` (default: rows).
    """
    product = rows @ (rows if others is None else others).T
    product[np.arange(len(rows)), first + np.arange(len(rows))] -= 1
    return float(np.abs(product).max(initial=0.0))


def with_positive_peak(rows):
    """Return the signs (r,) that make the entry of largest magnitude of each row positive, as
    scikit-learn has them.
    """
    if not rows.size:
        return np.ones(len(rows))
    peaks = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return np.where(peaks < 0, -1.0, 1.0)


def cholesky_qr(rows):
    """Return orthonormal rows spanning the same space, by the Cholesky factor of rows·rowsᵀ in
    float64: (r, d) → (r, d).

    Rows must be independent to about eight digits; a shift of the Gram matrix keeps those that are
    not from breaking it, zeros from becoming NaN.
    """
    peaks = np.abs(rows).max(axis=1, keepdims=True)
    wide = rows.astype(np.float64) / np.where(peaks > 0, peaks, 1)
    gram = wide @ wide.T
    shift = 11 * rows.size * np.finfo(np.float64).eps * max(np.trace(gram), 1e-300)
    factor = np.linalg.cholesky(gram + (shift + 1e-300) * np.eye(len(gram)))
    return np.linalg.solve(factor, wide).astype(rows.dtype)
