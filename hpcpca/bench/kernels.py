"""The block product (B−c)ᵀ((B−c)V) on one core as a share of its ceiling, by type, shape and panel
width.
"""

import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from ..kernels import compiled
from ..kernels.shapes import ROWS
from ..kernels.tiles import Tiles
from ..operators.centring import shift_type, work_type

TYPES = ("uint8", "int16", "uint16", "int32", "float16", "float32", "float64")
COLUMNS = (784, 2000, 50_000)
WIDTHS = (1, 2, 4, 8, 16, 24, 32, 48, 64)
BLOCK_BYTES = 128 << 20  # of rows: well past the second cache
SQUARE = 1500  # of the matrix product that is the ceiling of arithmetic
# B·V, and its product with Bᵀ; B is neither shifted nor converted
PEER = "{}, two BLAS products"


def _seconds(actions, repeats):
    """Median CPU seconds of each action, run in turn, once uncounted."""
    seconds = [[] for _ in actions]
    for counted in range(repeats + 1):
        for action, found in zip(actions, seconds):
            begun = time.thread_time()
            action()
            if counted:
                found.append(time.thread_time() - begun)
    return [median(found) for found in seconds]


def _product(tiles, buffer, panel):
    """The product of one pass, tile by tile, as operators take it."""
    out = np.zeros(panel.shape)
    for number in range(tiles.products):
        tiles.add_product(number, buffer, panel, out)


def _by_blas(rows, panel):
    """The same without shift and conversion, by two calls for some rows at a time."""
    out = np.zeros(panel.shape)
    for first in range(0, len(rows), ROWS):
        some = rows[first : first + ROWS]
        out += (some @ panel.T).T @ some


def measure(name, d, widths, repeats):
    """Return what one core does with a block of rows of a type: (flop/s of a large matrix product,
    bytes/s of a plain read of the block, {row of the table: seconds of each width's product (w)},
    the block).
    """
    dtype, random = np.dtype(name), np.random.default_rng(d)
    work = work_type(dtype, False)
    shape = max(1, BLOCK_BYTES // (d * dtype.itemsize)), d
    rows = random.integers(0, 200, shape, np.uint8).astype(dtype)
    tiles = Tiles(rows, np.full(d, 100, shift_type(dtype, work)), 1.0, work, compiled)
    buffer, square = tiles.buffer(), random.standard_normal((SQUARE, SQUARE)).astype(work)
    panels = [random.standard_normal((width, d)).astype(work) for width in widths]
    product = np.empty_like(square)  # memory not used before would be a part of what is measured
    as_words = rows.ravel()[: rows.size // 8 * 8].view(np.int64)
    actions = {name: [lambda panel=panel: _product(tiles, buffer, panel) for panel in panels]}
    if dtype == work:
        actions[PEER.format(name)] = [lambda panel=panel: _by_blas(rows, panel) for panel in panels]
    gemm, read, *found = _seconds(
        [lambda: np.matmul(square, square, out=product), as_words.max, *sum(actions.values(), [])],
        repeats,
    )
    each = np.reshape(found, (len(actions), len(widths)))
    return 2 * SQUARE**3 / gemm, rows.nbytes / read, dict(zip(actions, each)), rows


def compare(types=TYPES, widths=WIDTHS, columns=COLUMNS, repeats=5):
    """Yield the markdown table: one thread, rows that are shifted and converted on the way."""
    yield (
        f"one core, blocks of {BLOCK_BYTES >> 20} MiB, medians of {repeats}: shares of gemm; of one"
        " vector, of a plain read"
    )
    yield ""
    yield f"| type | columns | gemm Gflop/s | read GB/s | {' | '.join(map(str, widths))} |"
    yield "|---" * (4 + len(widths)) + "|"
    with threadpool_limits(1):
        for name in types:
            for d in columns:
                gemm, read, found, rows = measure(name, d, widths, repeats)
                for label, seconds in found.items():
                    shares = (
                        rows.nbytes / each / read
                        if width == 1
                        else 4 * rows.size * width / each / gemm
                        for width, each in zip(widths, seconds)
                    )
                    yield (
                        f"| {label} | {d:,} | {gemm / 1e9:.0f} | {read / 1e9:.1f} |"
                        f" {' | '.join(map('{:.0%}'.format, shares))} |"
                    )
