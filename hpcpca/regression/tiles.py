"""Products of pairs of rows, tile by tile."""

import numpy as np

from ..kernels.tiles import LARGEST_TILE
from ..operators.gram import tile_step

STRIP = 64 << 20  # bytes of products made at a time


def rows_at_once(d, q, itemsize, default):
    """Rows of a tile: enough that adding their products to the sums costs little beside them."""
    return int(max(1, min(tile_step(d, itemsize, default), LARGEST_TILE // (itemsize * max(d, q)))))


class PairedTiles:
    """Deviations of X and Y from their shifts, as ``Centring`` says; their products are summed in
    float64.
    """

    def __init__(self, x, y, with_targets):
        self.x, self.y, self.with_targets = x, y, with_targets

    def add(self, rows, total, moments):
        """total (p, d + q) += [X]ᵀ[X Y], or [X Y]ᵀ[X Y] with targets, and moments (2, d + q) +=
        sums and sums of squares of the columns, over the ``Rows``.
        """
        x, y = self.x.tiles(rows.x), self.y.tiles(rows.y)
        d, q = rows.x.shape[1], rows.y.shape[1]
        x.step = y.step = rows_at_once(d, q, x.dtype.itemsize, x.step)
        buffers, kernels = (x.buffer(), y.buffer()), self.x.kernels
        sums = np.zeros((2, d)), np.zeros((2, q))
        for number in range(len(x)):
            of_x, of_y = (side.tile(number, each) for side, each in zip((x, y), buffers))
            kernels.add_sums(of_x, sums[0])
            kernels.add_sums(of_y, sums[1])
            total[:d, :d] += of_x.T @ of_x  # the same array on both sides: numpy calls SYRK
            _add_product(of_x, of_y, total[:d, d:])
            if self.with_targets:
                total[d:, d:] += of_y.T @ of_y
        moments[:, :d] += sums[0]
        moments[:, d:] += sums[1]


def _add_product(of_x, of_y, total):
    """total (d, q) += XᵀY, so many columns at a time that the products stay small."""
    width = max(1, STRIP // (of_x.shape[1] * of_x.itemsize))
    for start in range(0, of_y.shape[1], width):
        total[:, start : start + width] += of_x.T @ of_y[:, start : start + width]
