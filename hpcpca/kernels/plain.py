"""The plain set of kernels: numpy, several reads of a tile, nothing to load."""

import numpy as np

ROWS = 512  # summed up in the type of the tile: errors of such sums grow with their length


def scaled_deviations(rows, shift, scale, out):
    """out ← (rows − shift)·scale; types as in ``convert.scaled_deviations``, 64-bit integers
    exactly.
    """
    if shift.dtype.kind in "iu":
        larger = rows >= shift
        rows, shift = rows.astype(np.uint64), shift.astype(np.uint64)  # modulo 2⁶⁴
        np.subtract(np.where(larger, rows, shift), np.where(larger, shift, rows), out=rows)
        np.multiply(rows, np.where(larger, scale, -scale), out=out)
    else:
        np.subtract(rows, shift, out=out, dtype=out.dtype)
        out *= scale


def merge(count, mean, squares, other_count, other_mean, other_squares):
    """Chan's merge, as ``moments.merge``."""
    total = count + other_count
    if other_count:
        gap = other_mean - mean
        mean += gap * (other_count / total)
        squares += other_squares + gap * gap * (count * other_count / total)
    return total


def accumulate(tile, count, mean, squares):
    """Merge the rows of a tile into the moments, as ``moments.accumulate``."""
    tile_mean = tile.mean(axis=0, dtype=np.float64)
    gaps = tile - tile_mean
    return merge(count, mean, squares, len(tile), tile_mean, np.einsum("ij,ij->j", gaps, gaps))


def add_sums(tile, sums):
    """sums (2, d) += sums and sums of squares of the columns of a tile (r, d), float64."""
    sums[0] += tile.sum(axis=0, dtype=np.float64)
    sums[1] += np.einsum("ij,ij->j", tile, tile, dtype=np.float64)


def gram_product(tile, panel, out):
    """out += (tile·panelᵀ)ᵀ·tile, as ``panel.gram_product``: a pair of BLAS calls for up to
    ``ROWS`` rows at a time.
    """
    pieces = max(1, -(-len(tile) // ROWS))
    edges = [len(tile) * i // pieces for i in range(pieces + 1)]
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # found where sums are checked, as with the compiled set
        for start, stop in zip(edges, edges[1:]):
            rows = tile[start:stop]
            out += (rows @ panel.T).T @ rows


def shifted_gram_product(rows, shift, scale, panel, buffer, out):
    """As ``panel.shifted_gram_product``."""
    tile = buffer[: len(rows)]
    scaled_deviations(rows, shift, scale, tile)
    gram_product(tile, panel, out)


def is_warm(dtype):
    """There is nothing to compile."""
    return True


def warm_up(dtype, halt=None):
    """There is nothing to compile."""
