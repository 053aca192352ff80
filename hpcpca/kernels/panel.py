"""The block Gram product Z += Bᵀ(BV) for a panel of vectors.

Rows are centred, scaled and converted into a tile, six at a time, while they are multiplied with
the first vectors, and multiplied with the others while they are in the first cache. A tile of some
of them stays in the second cache until their part of Z is summed up. Rows too long for that are
converted a second time, a strip of columns at a time. A pair of BLAS calls would read and write all
of that in between, and pack it besides.
"""

import threading

import numpy as np

from .convert import deviation, scaled_deviations
from .jit import Intrinsic, compiled, exact
from .lanes import BROAD, BYTES, GROUP, LINE, STRIP
from .shapes import ROWS, Registers, product_shapes
from .vector import add_gram_vector

REGISTERS = Registers(BYTES, STRIP, GROUP)
MODERATE = 2.0**60  # scales up to this may be taken out of sums

_own = threading.local()


def _in_registers(kind, *count):
    """A kernel of ``registers``."""

    def make():
        from . import registers

        made = getattr(registers, kind)
        return made(*count) if count else made

    return Intrinsic(make)


_dot1, _dot2, _dot4 = (_in_registers("dot", count) for count in (1, 2, 4))
_fresh_dot = _in_registers("fresh_dot", 4)
_outer1, _outer2, _outer4 = (_in_registers("outer", count) for count in (1, 2, 4))
_outer_broad = _in_registers("outer", BROAD)
_outer_ahead = _in_registers("outer", BROAD, True)
_fresh_outer = _in_registers("fresh_outer", BROAD)
deviations, _takes_rows = _in_registers("deviations"), _in_registers("takes_rows")


@compiled
def add_to(total, part):
    """total += part, in place; total (m, d) float64, part (m, d) float32 or float64."""
    for i in range(part.shape[0]):
        row, target = part[i], total[i]
        for j in range(row.shape[0]):
            target[j] += row[j]


@exact
def _fill(rows, shift, scale, tile, start, stop):
    """tile ← (rows − shift)·scale in columns start…stop−1, then zeros up to a whole strip, and in
    rows that there are not.

    rows (r, d) and shift (d) as for ``convert.scaled_deviations``, tile (≥ r, ≥ a strip's end).
    """
    strip = STRIP * (BYTES // tile.itemsize)
    width, end = stop - start, (stop - start + strip - 1) // strip * strip
    for i in range(rows.shape[0]):
        row, centre, target = rows[i][start:stop], shift[start:stop], tile[i]
        for j in range(deviations(row, centre, tile, scale, i), width):
            target[j] = deviation(row[j], centre[j]) * scale
        for j in range(width, end):
            target[j] = 0
    for i in range(rows.shape[0], tile.shape[0]):
        tile[i][:end] = 0


@compiled
def _multiply(rows, shift, scale, tile, panel, sums, start, stop, ahead, place):
    """Fill the tile as ``_fill`` does, and add tile·panelᵀ to sums (GROUP, m).

    The next rows are fetched meanwhile: those of ``ahead`` (n, d), of which ``place`` is the first
    element that is needed.
    """
    d, m, k = ahead.shape[1], panel.shape[0], 0
    last, lanes = place + (GROUP - 1) * d, BYTES // tile.itemsize
    width = (stop - start + lanes - 1) // lanes * lanes
    if rows.shape[0] == GROUP and m >= 4 and _takes_rows(shift, tile):
        _fresh_dot(tile, panel, sums, ahead, place, rows, shift, scale, start, stop)
        k, place = 4, place + 2 * d
    else:
        _fill(rows, shift, scale, tile, start, stop)
    while k + 4 <= m:
        _dot4(tile, panel, sums, ahead, width, k, min(place, last))
        k, place = k + 4, place + d
    if k + 2 <= m:
        _dot2(tile, panel, sums, ahead, width, k, min(place, last))
        k, place = k + 2, place + d
    if k < m:
        _dot1(tile, panel, sums, ahead, width, k, min(place, last))


@compiled
def _add_images(tile, sums, out, first, start, rows, count, k):
    """out (m, d) += sumsᵀ·tile for the vectors from k on, in the strip from column ``start`` on.

    That strip is in the tile (count, columns) from its column ``first`` on; rows as for ``outer``.
    """
    m = out.shape[0]
    while k + BROAD <= m:
        _outer_broad(tile, sums, out, rows, count, first, k, start, 0)
        k += BROAD
    if k + 4 <= m:
        _outer4(tile, sums, out, rows, count, first, k, start, 0)
        k += 4
    if k + 2 <= m:
        _outer2(tile, sums, out, rows, count, first, k, start, 0)
        k += 2
    if k < m:
        _outer1(tile, sums, out, rows, count, first, k, start, 0)


@compiled
def _add_images_of_rows(rows, shift, scale, tile, sums, out, start, stop):
    """out (m, d) += sumsᵀ·B for B = (rows − shift)·scale, in columns start…stop−1.

    Columns from ``stop`` on are fetched meanwhile. The tile is scratch, of at least r rows, and
    as many columns as that, in whole strips.
    """
    m, count, strip = out.shape[0], rows.shape[0], STRIP * (BYTES // tile.itemsize)
    # a strip has up to three lines to fetch: two by the first kernel, one by the next
    fewest = BROAD if strip * rows.itemsize <= 2 * LINE else 2 * BROAD
    is_filled = m < fewest or not _takes_rows(shift, tile)
    if is_filled:
        _fill(rows, shift, scale, tile[:count], start, stop)
    for at in range(start, stop, strip):
        first = at - start if is_filled else 0
        k, place = 0, (stop + at - start) * rows.itemsize
        if is_filled:
            if m >= BROAD:
                _outer_ahead(tile, sums, out, rows, count, first, 0, at, place)
                k = BROAD
        elif at + strip <= stop:
            _fresh_outer(tile, sums, out, rows, shift, scale, count, at, place)
            k = BROAD
            if k + BROAD <= m:
                _outer_ahead(tile, sums, out, rows, count, 0, k, at, place + 2 * LINE)
                k += BROAD
        else:
            _fill(rows, shift, scale, tile[:count], at, stop)
        _add_images(tile, sums, out, first, at, rows, count, k)


@compiled
def _add_moments(tile, moments, count, start, stop):
    """moments (2, d) float64 += sums and sums of squares of ``count`` rows of tile, which has the
    columns start…stop−1.
    """
    first, second = moments[0][start:stop], moments[1][start:stop]
    for i in range(count):
        row = tile[i]
        for j in range(first.shape[0]):
            value = np.float64(row[j])
            first[j] += value
            second[j] += value * value


@compiled
def _product(rows, shift, scale, panel, tiles, sums, out, moments):
    """out (m, d) float64 += (B·panelᵀ)ᵀ·B for B = (rows − shift)·scale; moments (2, d) float64 +=
    sums and sums of squares of its columns, or (0, d) for none.

    panel (blocks, m, w + a register) has w columns in a block; tiles (1 or blocks, r, as many) and
    sums (r, m) are scratch: with a single tile, every block is converted twice.
    """
    n, d = rows.shape
    blocks, step, lanes = panel.shape[0], sums.shape[0], BYTES // panel.itemsize
    columns, strip = panel.shape[2] - lanes, STRIP * lanes
    is_held = tiles.shape[0] == blocks
    for first in range(0, n, step):
        some = rows[first : first + step]
        count = some.shape[0]
        sums[:] = 0
        for block in range(blocks):
            start, stop = block * columns, min(d, block * columns + columns)
            for i in range(0, count, GROUP):
                if is_held:
                    tile = tiles[block][i : i + GROUP]
                else:
                    tile = tiles[0][:GROUP]
                group, place = some[i : i + GROUP], (i + GROUP) * d + start
                of_group = sums[i : i + GROUP]
                _multiply(
                    group, shift, scale, tile, panel[block], of_group, start, stop, some, place
                )
        width = columns if is_held else columns // 2  # room for what is fetched ahead
        for start in range(0, d, width):
            stop, tile = min(d, start + width), tiles[start // width if is_held else 0]
            if moments.shape[0]:
                if not is_held:
                    _fill(some, shift, scale, tile[:count], start, stop)
                _add_moments(tile, moments, count, start, stop)
            if is_held:
                for first in range(0, stop - start, strip):
                    _add_images(tile, sums, out, first, start + first, some, count, 0)
            else:
                _add_images_of_rows(some, shift, scale, tile, sums, out, start, stop)


def _scratch(name, dtype, shapes):
    """Arrays of a type whose rows start registers: those of the last call of this name, if they
    are alike.
    """
    kept = vars(_own)
    if kept.get(name, (None,))[0] != (dtype, shapes):
        kept.pop(name, None)  # before others take memory
        counts = [-(-np.prod(shape) * dtype.itemsize // BYTES) * BYTES for shape in shapes]
        memory = np.empty(sum(counts) + BYTES, np.uint8)
        edges = -memory.ctypes.data % BYTES + np.cumsum([0, *counts])
        pieces = [memory[first : first + n].view(dtype) for first, n in zip(edges, counts)]
        arrays = [x[: np.prod(shape)].reshape(shape) for x, shape in zip(pieces, shapes)]
        kept[name] = (dtype, shapes), arrays
    return kept[name][1]


def _packed(panel, shape):
    """A panel (m, d) in blocks of columns, of this shape. One that cannot be written to is packed
    once for all calls that follow.
    """
    (packed,) = _scratch("panel", panel.dtype, (shape,))
    if panel.flags.writeable or getattr(_own, "packed", None) is not panel:
        columns = shape[2] - BYTES // panel.itemsize
        for block, target in enumerate(packed):
            part = panel[:, block * columns : (block + 1) * columns]
            target[:, : part.shape[1]] = part
            target[:, part.shape[1] :] = 0
        _own.packed = panel
    return packed


def _add_product(rows, shift, scale, panel, out, moments):
    """``_product`` for a panel (m, d)."""
    m, d = panel.shape
    shape, *shapes = product_shapes(len(rows), d, m, panel.itemsize, REGISTERS)
    packed, (tiles, sums) = _packed(panel, shape), _scratch("tiles", panel.dtype, tuple(shapes))
    moments = np.empty((0, d)) if moments is None else moments
    _product(rows, shift, scale, packed, tiles, sums, out, moments)


def gram_product(tile, panel, out, moments=None):
    """out += (tile·panelᵀ)ᵀ·tile; tile (r, d) and panel (m, d) of one float type, out (m, d)
    float64. moments (2, d) float64, if there are, += sums and sums of squares of the columns.

    Sums over ``ROWS`` rows are in the type of the tile.
    """
    zeros = np.zeros(tile.shape[1], tile.dtype)
    shifted_gram_product(tile, zeros, tile.dtype.type(1), panel, None, out, moments)


@compiled
def _gram_vector(rows, shift, square, vector, part, eight, out):
    """out (1, d) float64 += square·BᵀBv for B = rows − shift; part (1, d) and eight (8) are
    scratch of its type.
    """
    for first in range(0, rows.shape[0], ROWS):
        part[:] = 0
        add_gram_vector(rows[first : first + ROWS], shift, square, vector, part[0], eight)
        add_to(out, part)


def shifted_gram_product(rows, shift, scale, panel, buffer, out, moments=None):
    """out += (B·panelᵀ)ᵀ·B for B = (rows − shift)·scale, as ``scaled_deviations`` gives them,
    and moments as of ``gram_product``; buffer (≥ 1, d) is scratch of B's type for rows of float16.

    With one vector all is memory traffic: B is not written down, and scaled in the vector, unless
    that leaves the type's range.
    """
    if not len(rows):
        return
    rows = np.ascontiguousarray(rows)
    if rows.dtype == np.float16:
        for first in range(0, len(rows), len(buffer)):
            some = rows[first : first + len(buffer)]
            tile = buffer[: len(some)]
            scaled_deviations(some, shift, scale, tile)
            gram_product(tile, panel, out, moments)
    elif len(panel) == 1 and moments is None and 1 / MODERATE <= scale <= MODERATE:
        part, eight = np.empty(panel.shape, panel.dtype), np.empty(8, panel.dtype)
        _gram_vector(rows, shift, scale, panel[0] * scale, part, eight, out)
    else:
        _add_product(rows, shift, scale, panel, out, moments)
