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
def _four_rows(matrix, nothing, i, columns):
    """Rows i to i + 3 of a matrix, or the last one in place of those after it; ``nothing`` where
    the matrix is empty.
    """
    start, stop = columns
    if matrix.shape[0] == 0:
        none = nothing[: stop - start]
        return none, none, none, none
    last = matrix.shape[0] - 1
    return (
        matrix[min(i, last)][start:stop],
        matrix[min(i + 1, last)][start:stop],
        matrix[min(i + 2, last)][start:stop],
        matrix[min(i + 3, last)][start:stop],
    )


@compiled
def _dots(g, e, v0, v1):
    """Dot products of four rows g + e with two vectors: 8 sums, those of v0 first."""
    (g0, g1, g2, g3), (e0, e1, e2, e3) = g, e
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = v0[0] - v0[0]
    for j in range(v0.shape[0]):
        x0, x1, x2, x3 = g0[j] + e0[j], g1[j] + e1[j], g2[j] + e2[j], g3[j] + e3[j]
        a0 += x0 * v0[j]
        a1 += x1 * v0[j]
        a2 += x2 * v0[j]
        a3 += x3 * v0[j]
        b0 += x0 * v1[j]
        b1 += x1 * v1[j]
        b2 += x2 * v1[j]
        b3 += x3 * v1[j]
    return (a0, a1, a2, a3), (b0, b1, b2, b3)


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


def right_product(gradient, owed, q, p):
    """p (r, n) = q·(G + E)ᵀ for q (r, m).

    ``gradient`` (n, m), ``owed`` the same or (0, 0) where nothing is; all of one float type.
    """
    _right_product(gradient, owed, _zeros(gradient), q, p)


def _zeros(matrix):
    """As many zeros as columns are worked on at a time."""
    return np.zeros(min(matrix.shape[1], COLUMNS), matrix.dtype)


@compiled
def _right_product(gradient, owed, nothing, q, p):
    """``right_product``; ``nothing`` as for ``_four_rows``."""
    (n, m), r = gradient.shape, q.shape[0]
    p[:] = 0
    for start in range(0, m, COLUMNS):
        columns = start, min(m, start + COLUMNS)
        for i in range(0, n, 4):
            g = _four_rows(gradient, nothing, i, columns)
            e = _four_rows(owed, nothing, i, columns)
            for k in range(0, r, 2):
                other = min(k + 1, r - 1)
                v0, v1 = q[k][columns[0] : columns[1]], q[other][columns[0] : columns[1]]
                first, second = _dots(g, e, v0, v1)
                for t in range(min(4, n - i)):
                    p[k, i + t] += first[t]
                    if other > k:
                        p[other, i + t] += second[t]


@compiled
def _add_rows(g, e, w, s0, s1):
    """s0 and s1 += the combinations of four rows g + e with the weights w (8)."""
    (g0, g1, g2, g3), (e0, e1, e2, e3) = g, e
    u0, u1, u2, u3, w0, w1, w2, w3 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    for j in range(s0.shape[0]):
        x0, x1, x2, x3 = g0[j] + e0[j], g1[j] + e1[j], g2[j] + e2[j], g3[j] + e3[j]
        s0[j] += u0 * x0 + u1 * x1 + u2 * x2 + u3 * x3
        s1[j] += w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3


def left_product(gradient, owed, p, q):
    """q (r, m) = p·(G + E) for p (r, n); the rest as in ``right_product``."""
    nothing = _zeros(gradient)
    sums = np.empty((len(p) + 1, len(nothing)), q.dtype)
    _left_product(gradient, owed, nothing, p, sums, np.empty(8, q.dtype), q)


@compiled
def _left_product(gradient, owed, nothing, p, sums, w, q):
    """``left_product``; ``nothing`` as for ``_four_rows``, sums (r + 1, …) and w (8) are
    scratch.
    """
    (n, m), r = gradient.shape, p.shape[0]
    q[:] = 0
    for start in range(0, m, COLUMNS):
        columns = start, min(m, start + COLUMNS)
        size = columns[1] - start
        for first in range(0, n, ROWS):
            sums[:] = 0
            for i in range(first, min(n, first + ROWS), 4):
                g = _four_rows(gradient, nothing, i, columns)
                e = _four_rows(owed, nothing, i, columns)
                for k in range(0, r, 2):
                    for t in range(4):
                        w[t] = p[k, i + t] if i + t < n else 0
                        w[4 + t] = p[k + 1, i + t] if i + t < n and k + 1 < r else 0
                    _add_rows(g, e, w, sums[k, :size], sums[k + 1, :size])
            for k in range(r):
                for j in range(size):
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


@exact
def _hand_out(gradient, owed, some, pair, out):
    """out = what is sent, ``some`` and a ``pair`` of vectors with their weights; E ← (G + E) −
    that, as it is in ``out``.
    """
    v0, v1, w0, w1 = pair
    for j in range(out.shape[0]):
        sent = some[j] + (w0 * v0[j] + w1 * v1[j])
        owed[j] = (gradient[j] + owed[j]) - sent
        out[j] = sent


@exact
def _hand_back(both, owed, some, pair):
    """As ``_hand_out``, with the gradient and ``out`` in one place."""
    v0, v1, w0, w1 = pair
    for j in range(both.shape[0]):
        sent = some[j] + (w0 * v0[j] + w1 * v1[j])
        owed[j] = (both[j] + owed[j]) - sent
        both[j] = sent


def settle(gradient, owed, p, q, own, out):
    """out (n, m) = pᵀq and E ← (G + E) − pᵀown, each row of all of them at once.

    ``own`` is (0, m) where q counts as sent. ``out`` may be ``gradient``.
    """
    mean, sent = np.zeros((2, out.shape[1]), out.dtype)
    _settle(gradient, owed, p, q, own, mean, sent, out)


@compiled
def _settle(gradient, owed, p, q, own, mean, sent, out):
    """``settle``; mean (m), zeros, and sent (m) are scratch."""
    r, same = p.shape[0], out.ctypes.data == gradient.ctypes.data
    none = p[0, 0] - p[0, 0]
    for i in range(out.shape[0]):
        if own.shape[0]:
            _combination(own, p, i, sent)
            _keep(gradient[i], owed[i], sent)
            _combination(q, p, i, out[i])
            continue
        last = max(0, r - 2)
        if last:
            _combination(q[:last], p[:last], i, mean)
        pair = q[last], q[r - 1], p[last, i], p[r - 1, i] if r > 1 else none
        if same:
            _hand_back(out[i], owed[i], mean, pair)
        else:
            _hand_out(gradient[i], owed[i], mean, pair, out[i])


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
