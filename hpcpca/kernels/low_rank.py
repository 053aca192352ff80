"""Products of a matrix with a few vectors, where memory traffic is all: each reads the matrix once.

The matrix is a sum G + E of two that lie in memory, a gradient and what is still owed of earlier
ones. Rows of the sum are made in cache, and it is never stored. Sets of vectors are rows.
"""

import numpy as np

from .jit import compiled, exact

COLUMNS = 4096  # of a row at a time, so that it stays in the first cache with its vectors
ROWS = 256  # summed up in the type of the matrix: errors of such sums grow with their length
WIDEST = 8  # vectors; with more than these BLAS is ahead, though it needs the sum in a tile


@compiled
def _sum_of(first, second, scratch):
    """The row ``first + second``; ``first`` itself where ``second`` is empty."""
    if second.shape[0] == 0:
        return first
    for j in range(first.shape[0]):
        scratch[j] = first[j] + second[j]
    return scratch[: first.shape[0]]


@compiled
def _add_dots(row, vectors, start, sums, i):
    """sums[:, i] += vectors·row, the vectors from column ``start`` on; four at a time."""
    r, stop, k = vectors.shape[0], start + row.shape[0], 0
    while k + 4 <= r:
        v0, v1 = vectors[k][start:stop], vectors[k + 1][start:stop]
        v2, v3 = vectors[k + 2][start:stop], vectors[k + 3][start:stop]
        a0 = a1 = a2 = a3 = row[0] - row[0]
        for j in range(row.shape[0]):
            x = row[j]
            a0 += x * v0[j]
            a1 += x * v1[j]
            a2 += x * v2[j]
            a3 += x * v3[j]
        sums[k, i] += a0
        sums[k + 1, i] += a1
        sums[k + 2, i] += a2
        sums[k + 3, i] += a3
        k += 4
    if k + 2 <= r:
        v0, v1 = vectors[k][start:stop], vectors[k + 1][start:stop]
        a0 = a1 = row[0] - row[0]
        for j in range(row.shape[0]):
            a0 += row[j] * v0[j]
            a1 += row[j] * v1[j]
        sums[k, i] += a0
        sums[k + 1, i] += a1
        k += 2
    if k < r:
        v0 = vectors[k][start:stop]
        a0 = row[0] - row[0]
        for j in range(row.shape[0]):
            a0 += row[j] * v0[j]
        sums[k, i] += a0


@compiled
def _combination(vectors, weights, i, out):
    """out = Σ_k weights[k, i]·vectors[k]."""
    first, weight = vectors[0], weights[0, i]
    for j in range(out.shape[0]):
        out[j] = weight * first[j]
    _add_combination(vectors[1:], weights[1:], i, out)


@compiled
def _add_combination(vectors, weights, i, out):
    """out += Σ_k weights[k, i]·vectors[k], four vectors at a time."""
    r, k = vectors.shape[0], 0
    while k + 4 <= r:
        v0, v1, v2, v3 = vectors[k], vectors[k + 1], vectors[k + 2], vectors[k + 3]
        w0, w1, w2, w3 = weights[k, i], weights[k + 1, i], weights[k + 2, i], weights[k + 3, i]
        for j in range(out.shape[0]):
            out[j] += w0 * v0[j] + w1 * v1[j] + w2 * v2[j] + w3 * v3[j]
        k += 4
    while k < r:
        v0, w0 = vectors[k], weights[k, i]
        for j in range(out.shape[0]):
            out[j] += w0 * v0[j]
        k += 1


@compiled
def right_product(gradient, owed, q, p):
    """p (r, n) = q·(G + E)ᵀ for q (r, m).

    ``gradient`` (n, m), ``owed`` the same or (0, 0) where nothing is; all of one float type.
    """
    n, m = gradient.shape
    scratch, p[:] = np.empty(min(m, COLUMNS), gradient.dtype), 0
    nothing = scratch[:0]
    for start in range(0, m, COLUMNS):
        stop = min(m, start + COLUMNS)
        for i in range(n):
            second = owed[i][start:stop] if owed.shape[0] else nothing
            row = _sum_of(gradient[i][start:stop], second, scratch)
            _add_dots(row, q, start, p, i)


@compiled
def _add_row(row, weights, i, sums):
    """sums[k] += weights[k, i]·row for all k, two vectors at a time."""
    r, k = sums.shape[0], 0
    while k + 2 <= r:
        w0, w1, s0, s1 = weights[k, i], weights[k + 1, i], sums[k], sums[k + 1]
        for j in range(row.shape[0]):
            x = row[j]
            s0[j] += w0 * x
            s1[j] += w1 * x
        k += 2
    if k < r:
        w0, s0 = weights[k, i], sums[k]
        for j in range(row.shape[0]):
            s0[j] += w0 * row[j]


@compiled
def left_product(gradient, owed, p, q):
    """q (r, m) = p·(G + E) for p (r, n); the rest as in ``right_product``."""
    n, m = gradient.shape
    scratch, q[:] = np.empty(min(m, COLUMNS), gradient.dtype), 0
    nothing, sums = scratch[:0], np.empty((len(q), min(m, COLUMNS)), q.dtype)
    for start in range(0, m, COLUMNS):
        stop = min(m, start + COLUMNS)
        for first in range(0, n, ROWS):
            sums[:] = 0
            for i in range(first, min(n, first + ROWS)):
                second = owed[i][start:stop] if owed.shape[0] else nothing
                _add_row(_sum_of(gradient[i][start:stop], second, scratch), p, i, sums)
            for k in range(len(q)):
                for j in range(stop - start):
                    q[k, start + j] += sums[k, j]


@compiled
def expand(p, q, out):
    """out (n, m) = pᵀq for p (r, n) and q (r, m), r ≥ 1."""
    for i in range(out.shape[0]):
        _combination(q, p, i, out[i])


@exact
def _keep(gradient, owed, sent):
    for j in range(owed.shape[0]):
        owed[j] = (gradient[j] + owed[j]) - sent[j]


@compiled
def settle(gradient, owed, p, q, own, out):
    """out (n, m) = pᵀq and E ← (G + E) − pᵀown, each row of all of them at once.

    ``own`` is (0, m) where q counts as sent. ``out`` may be ``gradient``.
    """
    m = out.shape[1]
    mean, sent = np.empty(m, out.dtype), np.empty(m, out.dtype)
    for i in range(out.shape[0]):
        _combination(q, p, i, mean)
        if own.shape[0]:
            _combination(own, p, i, sent)
        _keep(gradient[i], owed[i], sent if own.shape[0] else mean)
        out[i] = mean


@exact
def gram_schmidt(rows, floor):
    """Make rows (r, n) orthonormal in place, each against those before it, twice (modified
    Gram–Schmidt).

    Rows of which no more is left than ``floor`` times their length become zeros. Sums in float64.
    """
    for k in range(rows.shape[0]):
        row = rows[k]
        is_left = _normalise(row, 0.0)
        for _ in range(2):
            for i in range(k):
                dot = 0.0
                for j in range(row.shape[0]):
                    dot += float(rows[i, j]) * float(row[j])
                for j in range(row.shape[0]):
                    row[j] -= dot * rows[i, j]
            is_left = is_left and _normalise(row, floor)
        if not is_left:
            row[:] = 0


@exact
def _normalise(row, floor):
    """Scale a row to length 1 unless it is no longer than ``floor``; return whether."""
    peak = 0.0
    for j in range(row.shape[0]):
        peak = max(peak, abs(float(row[j])))
    if peak <= 0.0 or not peak < np.inf:
        return False
    total = 0.0
    for j in range(row.shape[0]):
        total += (float(row[j]) / peak) ** 2
    length = peak * np.sqrt(total)
    if length <= floor:
        return False
    for j in range(row.shape[0]):
        row[j] = (float(row[j]) / peak) / np.sqrt(total)
    return True
