"""The block Gram product of a tile of sparse rows, and sums of their columns: work grows with the
stored values.

A tile holds its values column by column. So the panel and the images, of which a tile needs all,
are gone through in order; and what is gathered from are sums of the tile's rows, which stay in the
second cache. With rows in order it is the other way round, at half the rate (docs/performance.md).
"""

import numpy as np

from .jit import compiled


def by_columns(values, indices, ends, heads, rows, ordered):
    """Put sparse rows that lie row by row into ``rows`` and ``ordered`` (s) column by column.

    values and indices (s) and ends (r + 1) as CSR has them; heads (d + 1) become the numbers of
    the columns' first values. A counting sort.
    """
    _by_columns(values, indices, ends, heads, np.empty_like(heads), rows, ordered)


@compiled
def _by_columns(values, indices, ends, heads, place, rows, ordered):
    """``by_columns``; place (d + 1) is scratch: where the next value of a column goes."""
    d = heads.shape[0] - 1
    heads[:] = 0
    for p in range(indices.shape[0]):
        heads[indices[p] + 1] += 1
    for j in range(d):
        heads[j + 1] += heads[j]
    for j in range(d):
        place[j] = heads[j]
    for i in range(ends.shape[0] - 1):
        for p in range(ends[i], ends[i + 1]):
            j = indices[p]
            q = place[j]
            rows[q], ordered[q] = i, values[p]
            place[j] = q + 1


@compiled
def sparse_gram_product(values, rows, heads, panel, sums, part, out):
    """out (d+1, m) += [X 1]ᵀ[X 1]·panel for a tile X (r, d) as ``by_columns`` orders it.

    panel (d+1, m) and sums (r, m), which is scratch, float32 or float64; part (m), scratch of the
    type that a column is summed up in; out (d+1, m) float64. The column of ones carries what is
    taken off every row.
    """
    d, m = panel.shape[0] - 1, panel.shape[1]
    base, last = panel[d], out[d]
    for i in range(sums.shape[0]):
        s = sums[i]
        for k in range(m):
            s[k] = base[k]
    for j in range(d):
        v = panel[j]
        for p in range(heads[j], heads[j + 1]):
            x, s = values[p], sums[rows[p]]
            for k in range(m):
                s[k] += x * v[k]
    for j in range(d):
        p, stop = heads[j], heads[j + 1]
        if p == stop:
            continue
        part[:] = 0
        while p + 4 <= stop:
            x0, x1, x2, x3 = values[p], values[p + 1], values[p + 2], values[p + 3]
            s0, s1, s2, s3 = sums[rows[p]], sums[rows[p + 1]], sums[rows[p + 2]], sums[rows[p + 3]]
            for k in range(m):
                part[k] += (x0 * s0[k] + x1 * s1[k]) + (x2 * s2[k] + x3 * s3[k])
            p += 4
        while p < stop:
            x, s = values[p], sums[rows[p]]
            for k in range(m):
                part[k] += x * s[k]
            p += 1
        z = out[j]
        for k in range(m):
            z[k] += part[k]
    for i in range(sums.shape[0]):
        s = sums[i]
        for k in range(m):
            last[k] += s[k]


@compiled
def sparse_sums(values, heads, mean, sums):
    """sums (3, d) += how many values each column of a tile has, the sum of their deviations from
    ``mean`` (d), and that of the squares; float64.
    """
    for j in range(mean.shape[0]):
        centre = mean[j]
        first = second = 0.0
        for p in range(heads[j], heads[j + 1]):
            gap = values[p] - centre
            first += gap
            second += gap * gap
        sums[0, j] += heads[j + 1] - heads[j]
        sums[1, j] += first
        sums[2, j] += second
