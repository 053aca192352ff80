"""Products with a single vector, where memory traffic is all: every row is read once for both
products.
"""

from .convert import deviation
from .jit import compiled

NARROW = 2048  # columns of which eight rows stay in the first two caches


@compiled
def _row_by_row(rows, shift, square, vector, part, sums):
    """``add_gram_vector`` for eight rows, each read on its own, then all again from cache; sums
    (8) is scratch.
    """
    for i in range(8):
        row, a = rows[i], vector[0] - vector[0]
        for j in range(vector.shape[0]):
            a += deviation(row[j], shift[j]) * vector[j]
        sums[i] = a * square
    r0, r1, r2, r3, r4, r5, r6, r7 = (
        rows[0],
        rows[1],
        rows[2],
        rows[3],
        rows[4],
        rows[5],
        rows[6],
        rows[7],
    )
    a0, a1, a2, a3, a4, a5, a6, a7 = (
        sums[0],
        sums[1],
        sums[2],
        sums[3],
        sums[4],
        sums[5],
        sums[6],
        sums[7],
    )
    for j in range(vector.shape[0]):
        c = shift[j]
        part[j] += (
            a0 * deviation(r0[j], c)
            + a1 * deviation(r1[j], c)
            + a2 * deviation(r2[j], c)
            + a3 * deviation(r3[j], c)
            + a4 * deviation(r4[j], c)
            + a5 * deviation(r5[j], c)
            + a6 * deviation(r6[j], c)
            + a7 * deviation(r7[j], c)
        )


@compiled
def _four_rows(rows, shift, square, vector, part):
    """``add_gram_vector`` for four rows, read side by side: long rows are out of cache the
    second time anyway.
    """
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    a0 = a1 = a2 = a3 = vector[0] - vector[0]
    for j in range(vector.shape[0]):
        c, y = shift[j], vector[j]
        a0 += deviation(r0[j], c) * y
        a1 += deviation(r1[j], c) * y
        a2 += deviation(r2[j], c) * y
        a3 += deviation(r3[j], c) * y
    a0, a1, a2, a3 = a0 * square, a1 * square, a2 * square, a3 * square
    for j in range(vector.shape[0]):
        c = shift[j]
        part[j] += (
            a0 * deviation(r0[j], c)
            + a1 * deviation(r1[j], c)
            + a2 * deviation(r2[j], c)
            + a3 * deviation(r3[j], c)
        )


@compiled
def _one_row(row, shift, square, vector, part):
    """``add_gram_vector`` for one row."""
    a = vector[0] - vector[0]
    for j in range(vector.shape[0]):
        a += deviation(row[j], shift[j]) * vector[j]
    a *= square
    for j in range(vector.shape[0]):
        part[j] += a * deviation(row[j], shift[j])


@compiled
def add_gram_vector(rows, shift, square, vector, part, sums):
    """part (d) += square·BᵀBv for B = rows − shift, of which nothing is stored: converting twice
    is cheaper than writing it down.

    rows (r, d) of any type but float16, shift (d) as of ``convert.scaled_deviations``, square,
    vector and part (d) of B's type, sums (8) scratch of it. 1-D views: 2-D indexing inside the
    loops costs a factor of two.
    """
    i = 0
    if vector.shape[0] <= NARROW:
        while i + 8 <= rows.shape[0]:
            _row_by_row(rows[i : i + 8], shift, square, vector, part, sums)
            i += 8
    else:
        while i + 4 <= rows.shape[0]:
            _four_rows(rows[i : i + 4], shift, square, vector, part)
            i += 4
    while i < rows.shape[0]:
        _one_row(rows[i], shift, square, vector, part)
        i += 1
