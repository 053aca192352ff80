"""Products of pairs of rows, tile by tile."""

import numpy as np

from ..kernels.tiles import LARGEST_TILE, Multiplied
from ..operators.gram import tile_step
from ..rng import stream

STRIP = 64 << 20  # bytes of products made at a time
SKETCHED = 16  # columns of D·Ω
OMEGA = 0x0E6A  # key of Ω's random numbers
MOST_ROWS = 512  # summed up in the type of the tile: errors of such sums grow with their length


def rows_at_once(d, q, itemsize, default):
    """Rows of a tile: enough that adding their products to the sums costs little beside them."""
    return int(max(1, min(tile_step(d, itemsize, default), LARGEST_TILE // (itemsize * max(d, q)))))


class Products:
    """The sums C = XᵀX and D = XᵀY, side by side; with targets also E = YᵀY, below D."""

    def __init__(self, with_targets=False):
        self.with_targets = with_targets

    def shape(self, d, q):
        """Of the sums."""
        return d + q * self.with_targets, d + q

    def add(self, of_x, of_y, total):
        """Add those of a tile of X (r, d) and of Y (r, q) to ``total``."""
        d = of_x.shape[1]
        total[:d, :d] += of_x.T @ of_x  # the same array on both sides: numpy calls SYRK
        _add_product(of_x, of_y, total[:d, d:])
        if self.with_targets:
            total[d:, d:] += of_y.T @ of_y

    def offsets(self, x, y):
        """The columns' means (d + …) from those of X (d) and of Y (q)."""
        return np.concatenate([x, y])


class Sketch(Products):
    """C and, in the place of D, D·Ω with a random Ω (q, s) that keeps lengths on average: enough
    to judge errors by.
    """

    def __init__(self, q, seed):
        super().__init__()
        width = min(q, SKETCHED)
        self.omega = stream(seed, OMEGA).standard_normal((q, width)) / np.sqrt(width)

    def shape(self, d, q):
        """Of the sums."""
        return d, d + self.omega.shape[1]

    def add(self, of_x, of_y, total):
        """Add those of a tile of X (r, d) and of Y (r, q) to ``total``."""
        super().add(of_x, of_y @ self.omega.astype(of_y.dtype), total)

    def offsets(self, x, y):
        """The columns' means from those of X (d) and of Y (q)."""
        return super().offsets(x, y @ self.omega)


class NoProducts(Products):
    """No sums of products: means and variances are enough."""

    def shape(self, d, q):
        """Of the sums."""
        return 0, 0

    def add(self, of_x, of_y, total):
        """Add nothing."""


class PairedTiles:
    """Deviations of X and Y from their shifts, as ``Centring`` says; their ``products`` are summed
    in float64.
    """

    def __init__(self, x, y, products):
        self.x, self.y, self.products = x, y, products

    def add(self, rows, total, moments):
        """Add to ``total`` the products of the ``Rows``; to moments (2, d + q) the sums and sums of
        squares of their columns.
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
            self.products.add(of_x, of_y, total)
        moments[:, :d] += sums[0]
        moments[:, d:] += sums[1]


def _add_product(of_x, of_y, total):
    """total (d, q) += XᵀY, so many columns at a time that the products stay small."""
    width = max(1, STRIP // (of_x.shape[1] * of_x.itemsize))
    for start in range(0, of_y.shape[1], width):
        total[:, start : start + width] += of_x.T @ of_y[:, start : start + width]


class Across(Multiplied):
    """Rows A and B of two sides, both as ``Tiles``, for ``panel_product``: it gives BᵀA·V."""

    def __init__(self, a, b):
        self.a, self.b, self.dtype, self.width = a, b, a.dtype, b.width
        a.step = b.step = min(a.step, b.step, MOST_ROWS)

    def __len__(self):
        return len(self.a)

    def buffer(self):
        """Scratch memory for both, one per thread."""
        return self.a.buffer(), self.b.buffer()

    def add_product(self, number, buffers, panel, total):
        """total (c, d_b) += (A·panelᵀ)ᵀ·B for tile ``number`` and a panel (c, d_a)."""
        a, b = (side.tile(number, each) for side, each in zip((self.a, self.b), buffers))
        with np.errstate(over="ignore", invalid="ignore"):  # found where sums are checked
            total += (a @ panel.T).T @ b
