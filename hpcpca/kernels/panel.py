"""The block Gram product Z += Bᵀ(BV) for a panel of vectors, tile by tile while a tile is in cache."""

import numpy as np

from .convert import scaled_deviations
from .jit import compiled
from .vector import gram_vector

TILE_BYTES = 2 << 20  # converted rows worked on at a time: within the second-level cache, long enough for BLAS


def tile_rows(d, itemsize):
    """Rows of a tile of ``TILE_BYTES``."""
    return max(8, TILE_BYTES // max(1, d * itemsize))


@compiled
def add_to(total, part):
    """total += part, in place; total (m, d) float64, part (m, d) float32 or float64."""
    for i in range(part.shape[0]):
        row, target = part[i], total[i]
        for j in range(row.shape[0]):
            target[j] += row[j]


def gram_product(tile, panel, out):
    """out += (tile·panelᵀ)ᵀ·tile; tile (r, d) and panel (m, d) of one float type, out (m, d) float64.

    One vector: our own fused kernel, which reads the tile once. Panels: the pair of BLAS products, tile in cache.
    """
    if len(panel) == 1:
        gram_vector(tile, panel[0], out[0])
    else:
        add_to(out, (tile @ panel.T).T @ tile)


class Tiles:
    """Rows as tiles of deviations: a view where the rows are already that, else converted into a buffer.

    ``rows`` (n, d); ``shift`` None says that rows are deviations already.
    """

    def __init__(self, rows, shift, scale, dtype):
        self.rows, self.shift, self.dtype = rows, shift, np.dtype(dtype)
        self.scale = self.dtype.type(scale)
        self.step = tile_rows(rows.shape[1], self.dtype.itemsize)

    def subset(self, numbers):
        """Tiles of a copy of some of the rows."""
        return Tiles(self.rows[numbers], self.shift, self.scale, self.dtype)

    def __len__(self):
        return -(-len(self.rows) // self.step)

    def buffer(self):
        """Scratch memory for ``tile``, one per thread."""
        return None if self.shift is None else np.empty((self.step, self.rows.shape[1]), self.dtype)

    def tile(self, number, buffer):
        """Return tile ``number``: (r, d) of ``dtype``, in ``buffer`` or a view."""
        rows = self.rows[number * self.step:(number + 1) * self.step]
        if self.shift is None:
            return rows
        if rows.dtype == np.float16:  # Numba has no float16; every one is exact in float32
            rows = rows.astype(np.float32)
        out = buffer[:len(rows)]
        scaled_deviations(rows, self.shift, self.scale, out)
        return out
