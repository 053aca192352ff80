"""The block Gram product Z += Bᵀ(BV) for a panel of vectors, on a tile while it is in cache.

Four rows with four vectors at a time: 16 sums in registers, eight loads for 16 multiply-adds; with
two vectors or one where four would be more than are left. A pair of BLAS calls must pack its
operands and stores BV in between, which pays once panels are wide; up to 48 vectors (24 in float64)
this kernel is ahead of it (README, performance).
"""

import numpy as np

from . import plain
from .convert import scaled_deviations
from .jit import compiled
from .vector import add_gram_vector

WIDEST = 192  # bytes of a column of the panel: wider ones are square enough for BLAS
COLUMNS = (
    2048  # worked on at a time, so that four vectors and four rows stay in the first two caches
)
BLOCK = 64  # rows worked on at a time, so that their columns stay in the second cache
ROWS = 256  # summed up in the type of the tile: errors of such sums grow with their length
MODERATE = 2.0**60  # scales up to this may be taken out of sums


@compiled
def add_to(total, part):
    """total += part, in place; total (m, d) float64, part (m, d) float32 or float64."""
    for i in range(part.shape[0]):
        row, target = part[i], total[i]
        for j in range(row.shape[0]):
            target[j] += row[j]


@compiled
def _dot_quads(tile, panel, sums, start, stop, width):
    """sums (r, m) += tile·panelᵀ over columns start..stop−1, for the first ``width`` vectors;
    width and r multiples of 4.
    """
    for k in range(0, width, 4):
        v0, v1 = panel[k][start:stop], panel[k + 1][start:stop]
        v2, v3 = panel[k + 2][start:stop], panel[k + 3][start:stop]
        for i in range(0, tile.shape[0], 4):
            r0, r1 = tile[i][start:stop], tile[i + 1][start:stop]
            r2, r3 = tile[i + 2][start:stop], tile[i + 3][start:stop]
            a00 = a01 = a02 = a03 = a10 = a11 = a12 = a13 = v0[0] - v0[0]
            a20 = a21 = a22 = a23 = a30 = a31 = a32 = a33 = v0[0] - v0[0]
            for j in range(stop - start):
                x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
                y0, y1, y2, y3 = v0[j], v1[j], v2[j], v3[j]
                a00 += x0 * y0
                a10 += x1 * y0
                a20 += x2 * y0
                a30 += x3 * y0
                a01 += x0 * y1
                a11 += x1 * y1
                a21 += x2 * y1
                a31 += x3 * y1
                a02 += x0 * y2
                a12 += x1 * y2
                a22 += x2 * y2
                a32 += x3 * y2
                a03 += x0 * y3
                a13 += x1 * y3
                a23 += x2 * y3
                a33 += x3 * y3
            for row, (b0, b1, b2, b3) in enumerate(
                (
                    (a00, a01, a02, a03),
                    (a10, a11, a12, a13),
                    (a20, a21, a22, a23),
                    (a30, a31, a32, a33),
                )
            ):
                target = sums[i + row]
                target[k] += b0
                target[k + 1] += b1
                target[k + 2] += b2
                target[k + 3] += b3


@compiled
def _add_quads(tile, sums, out, start, stop, width):
    """out (m, d) += sumsᵀ·tile for sums (r, m) in columns start..stop−1, for the first ``width``
    vectors; width and r multiples of 4.
    """
    for k in range(0, width, 4):
        z0, z1 = out[k][start:stop], out[k + 1][start:stop]
        z2, z3 = out[k + 2][start:stop], out[k + 3][start:stop]
        for i in range(0, tile.shape[0], 4):
            r0, r1 = tile[i][start:stop], tile[i + 1][start:stop]
            r2, r3 = tile[i + 2][start:stop], tile[i + 3][start:stop]
            s0, s1, s2, s3 = sums[i], sums[i + 1], sums[i + 2], sums[i + 3]
            a00, a01, a02, a03 = s0[k], s0[k + 1], s0[k + 2], s0[k + 3]
            a10, a11, a12, a13 = s1[k], s1[k + 1], s1[k + 2], s1[k + 3]
            a20, a21, a22, a23 = s2[k], s2[k + 1], s2[k + 2], s2[k + 3]
            a30, a31, a32, a33 = s3[k], s3[k + 1], s3[k + 2], s3[k + 3]
            for j in range(stop - start):
                x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
                z0[j] += a00 * x0 + a10 * x1 + a20 * x2 + a30 * x3
                z1[j] += a01 * x0 + a11 * x1 + a21 * x2 + a31 * x3
                z2[j] += a02 * x0 + a12 * x1 + a22 * x2 + a32 * x3
                z3[j] += a03 * x0 + a13 * x1 + a23 * x2 + a33 * x3


@compiled
def _dot_pair(tile, panel, sums, start, stop, k):
    """As ``_dot_quads``, for the vectors k and k + 1."""
    v0, v1 = panel[k][start:stop], panel[k + 1][start:stop]
    for i in range(0, tile.shape[0], 4):
        r0, r1 = tile[i][start:stop], tile[i + 1][start:stop]
        r2, r3 = tile[i + 2][start:stop], tile[i + 3][start:stop]
        a00 = a01 = a10 = a11 = a20 = a21 = a30 = a31 = v0[0] - v0[0]
        for j in range(stop - start):
            x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
            y0, y1 = v0[j], v1[j]
            a00 += x0 * y0
            a10 += x1 * y0
            a20 += x2 * y0
            a30 += x3 * y0
            a01 += x0 * y1
            a11 += x1 * y1
            a21 += x2 * y1
            a31 += x3 * y1
        for row, (b0, b1) in enumerate(((a00, a01), (a10, a11), (a20, a21), (a30, a31))):
            sums[i + row, k] += b0
            sums[i + row, k + 1] += b1


@compiled
def _add_pair(tile, sums, out, start, stop, k):
    """As ``_add_quads``, for the vectors k and k + 1."""
    z0, z1 = out[k][start:stop], out[k + 1][start:stop]
    for i in range(0, tile.shape[0], 4):
        r0, r1 = tile[i][start:stop], tile[i + 1][start:stop]
        r2, r3 = tile[i + 2][start:stop], tile[i + 3][start:stop]
        s0, s1, s2, s3 = sums[i], sums[i + 1], sums[i + 2], sums[i + 3]
        a00, a01, a10, a11 = s0[k], s0[k + 1], s1[k], s1[k + 1]
        a20, a21, a30, a31 = s2[k], s2[k + 1], s3[k], s3[k + 1]
        for j in range(stop - start):
            x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
            z0[j] += a00 * x0 + a10 * x1 + a20 * x2 + a30 * x3
            z1[j] += a01 * x0 + a11 * x1 + a21 * x2 + a31 * x3


@compiled
def _by_registers(tile, panel, sums, part, zero, eight, out):
    """out += (tile·panelᵀ)ᵀ·tile, ``BLOCK`` rows and ``COLUMNS`` columns at a time; rows a
    multiple of 4.

    tile (r, d), panel (m, d) of one type, sums (BLOCK, m), part (m, d) and eight (8) scratch of
    that type, zero (d) zeros, out (m, d) float64.
    """
    d, m = tile.shape[1], panel.shape[0]
    quads, one = m // 4 * 4, tile.dtype.type(1)
    pair = quads if m - quads >= 2 else m
    for first in range(0, tile.shape[0], ROWS):
        part[:] = 0
        for middle in range(first, min(first + ROWS, tile.shape[0]), BLOCK):
            rows = tile[middle : middle + BLOCK]
            sums[:] = 0
            for start in range(0, d, COLUMNS):
                stop = min(d, start + COLUMNS)
                _dot_quads(rows, panel, sums, start, stop, quads)
                if pair < m:
                    _dot_pair(rows, panel, sums, start, stop, pair)
            for start in range(0, d, COLUMNS):
                stop = min(d, start + COLUMNS)
                _add_quads(rows, sums, part, start, stop, quads)
                if pair < m:
                    _add_pair(rows, sums, part, start, stop, pair)
            if (m - quads) % 2:
                add_gram_vector(rows, zero, one, panel[m - 1], part[m - 1], eight)
        add_to(out, part)


def gram_product(tile, panel, out):
    """out += (tile·panelᵀ)ᵀ·tile; tile (r, d) and panel (m, d) of one float type, out (m, d)
    float64.

    Sums over ``ROWS`` rows are in the type of the tile. Three vectors and tiles of odd sizes are
    filled up with zeros.
    """
    m = len(panel)
    if m * panel.itemsize > WIDEST:
        plain.gram_product(tile, panel, out)
        return
    if m % 4 == 3:
        panel = np.concatenate([panel, np.zeros((1, panel.shape[1]), panel.dtype)])
        out, padded = np.zeros(panel.shape), out
    rows = len(tile) // 4 * 4
    sums, part = np.empty((BLOCK, len(panel)), tile.dtype), np.empty(panel.shape, tile.dtype)
    zero, eight = np.zeros(tile.shape[1], tile.dtype), np.empty(8, tile.dtype)
    _by_registers(tile[:rows], panel, sums, part, zero, eight, out)
    if rows < len(tile):
        rest = np.zeros((4, tile.shape[1]), tile.dtype)
        rest[: len(tile) - rows] = tile[rows:]
        _by_registers(rest, panel, sums, part, zero, eight, out)
    if m % 4 == 3:
        padded += out[:m]


@compiled
def _gram_vector(rows, shift, square, vector, part, eight, out):
    """out (d) float64 += square·BᵀBv for B = rows − shift; part (d) and eight (8) are scratch of
    B's type.
    """
    for first in range(0, rows.shape[0], ROWS):
        part[:] = 0
        add_gram_vector(rows[first : first + ROWS], shift, square, vector, part, eight)
        for j in range(out.shape[0]):
            out[j] += part[j]


def shifted_gram_product(rows, shift, scale, panel, buffer, out):
    """out += (B·panelᵀ)ᵀ·B for B = (rows − shift)·scale, as ``scaled_deviations`` gives them;
    buffer (≥ r, d) is scratch of B's type.

    With one vector all is memory traffic: B is not written down, and scaled in the vector, unless
    that leaves the type's range.
    """
    if len(panel) == 1 and rows.dtype != np.float16 and 1 / MODERATE <= scale <= MODERATE:
        part, eight = np.empty(panel.shape[1], panel.dtype), np.empty(8, panel.dtype)
        _gram_vector(rows, shift, scale, panel[0] * scale, part, eight, out[0])
        return
    tile = buffer[: len(rows)]
    scaled_deviations(rows, shift, scale, tile)
    gram_product(tile, panel, out)
