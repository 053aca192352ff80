"""The block Gram product Z += Bᵀ(BV) for a panel of vectors, on a tile while it is in cache."""

from .jit import compiled
from .vector import gram_vector


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
