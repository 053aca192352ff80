"""Orthonormal rows: projection, whitening by the Gram matrix, and how far rows are from
orthonormal.
"""

import numpy as np

DROP = 1e-10  # directions whose share of the Gram matrix is below this are noise


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
