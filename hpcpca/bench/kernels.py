"""The block product (B−c)ᵀ((B−c)V) on one core: rate, ceiling and share, beside a pair of BLAS
calls, by type and panel width.
"""

import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from ..kernels import compiled, plain
from ..kernels.tiles import Tiles
from ..operators.centring import shift_type, work_type

TYPES = ("uint8", "int16", "uint16", "int32", "float16", "float32", "float64")
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64)
BLOCK_BYTES = 64 << 20  # of rows: well past the caches
SQUARE = 1500  # of the matrix product that is the ceiling of arithmetic


def _rates(actions, repeats):
    """Median CPU seconds of each action, run in turn, once uncounted."""
    seconds = [[] for _ in actions]
    for counted in range(repeats + 1):
        for action, found in zip(actions, seconds):
            begun = time.thread_time()
            action()
            if counted:
                found.append(time.thread_time() - begun)
    return [median(found) for found in seconds]


def ceilings(repeats=5):
    """(bytes/s that one core reads from memory, {4: flop/s of sgemm, 8: of dgemm})."""
    block, out = np.ones(4 * BLOCK_BYTES // 8), {}
    bandwidth = block.nbytes / _rates([lambda: block.max()], repeats)[0]
    for dtype in (np.float32, np.float64):
        square = np.random.default_rng(0).standard_normal((SQUARE, SQUARE)).astype(dtype)
        out[square.itemsize] = (
            2 * SQUARE**3 / _rates([lambda square=square: square @ square], repeats)[0]
        )
    return bandwidth, out


def _product(rows, shift, panel, kernels):
    """The product of one pass, tile by tile, as operators take it."""
    tiles, out = Tiles(rows, shift, 1.0, panel.dtype, kernels), np.zeros(panel.shape)
    buffer = tiles.buffer()
    for number in range(tiles.products):
        tiles.add_product(number, buffer, panel, out)
    return out


def measure(name, width, d, repeats):
    """Median seconds (compiled, BLAS pair) of the product for a block of a type, and the block's
    size in elements and bytes.
    """
    dtype, random = np.dtype(name), np.random.default_rng(width)
    work = work_type(dtype, False)
    rows = random.integers(
        0, 200, (max(1, BLOCK_BYTES // (d * dtype.itemsize)), d), np.uint8
    ).astype(dtype)
    shift = np.full(d, 100, shift_type(dtype, work))
    panel = random.standard_normal((width, d)).astype(work)
    seconds = _rates(
        [
            lambda: _product(rows, shift, panel, compiled),
            lambda: _product(rows, shift, panel, plain),
        ],
        repeats,
    )
    return seconds, rows.size, rows.nbytes


def compare(types=TYPES, widths=WIDTHS, d=2000, repeats=5):
    """Yield the markdown table: one thread, rows that are shifted and converted on the way."""
    with threadpool_limits(1):
        bandwidth, peak = ceilings(repeats)
        yield (
            f"one core: reads {bandwidth / 1e9:.1f} GB/s, sgemm {peak[4] / 1e9:.0f} Gflop/s, dgemm"
            f" {peak[8] / 1e9:.0f} Gflop/s; blocks of {BLOCK_BYTES >> 20} MiB, d = {d}, medians of"
            f" {repeats}"
        )
        yield ""
        yield (
            "| type | vectors | Gflop/s | of gemm | GB/s | of bandwidth | of the ceiling | × BLAS"
            " pair |"
        )
        yield "|---|---|---|---|---|---|---|---|"
        for name in types:
            gemm = peak[work_type(np.dtype(name), False).itemsize]
            for width in widths:
                (ours, pair), size, nbytes = measure(name, width, d, repeats)
                flops, floor = 4 * size * width, max(4 * size * width / gemm, nbytes / bandwidth)
                yield (
                    f"| {name} | {width} | {flops / ours / 1e9:.1f} | {flops / ours / gemm:.0%} |"
                    f" {nbytes / ours / 1e9:.1f} | {nbytes / ours / bandwidth:.0%} |"
                    f" {floor / ours:.0%} | {pair / ours:.2f} |"
                )
