"""The plain set of kernels: numpy, several reads of a tile, nothing to load."""

import numpy as np

DENSE_BYTES = 2 << 20  # of a sparse tile made dense at a time
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


def gram_product(tile, panel, out, moments=None):
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
        if moments is not None:
            add_sums(tile, moments)


def shifted_gram_product(rows, shift, scale, panel, buffer, out, moments=None):
    """As ``panel.shifted_gram_product``; buffer (≥ 1, d) has what is converted at a time."""
    for first in range(0, len(rows), len(buffer)):
        some = rows[first : first + len(buffer)]
        tile = buffer[: len(some)]
        scaled_deviations(some, shift, scale, tile)
        gram_product(tile, panel, out, moments)


def by_columns(values, indices, ends, heads, rows, ordered):
    """As ``sparse.by_columns``."""
    order = np.argsort(indices, kind="stable")
    heads[0] = 0
    np.cumsum(np.bincount(indices, minlength=len(heads) - 1), out=heads[1:])
    rows[:] = np.repeat(np.arange(len(ends) - 1), np.diff(ends))[order]
    ordered[:] = values[order]


def sparse_gram_product(values, rows, heads, panel, sums, part, out):
    """As ``sparse.sparse_gram_product``: some columns at a time are made dense."""
    d = len(panel) - 1
    step = max(1, DENSE_BYTES // (panel.itemsize * max(1, len(sums))))
    edges = range(0, d, step)
    with np.errstate(over="ignore", invalid="ignore"):  # as in gram_product
        sums[:] = panel[d]
        for first in edges:
            taken = _dense(values, rows, heads[first : first + step + 1], len(sums), panel.dtype)
            sums += taken @ panel[first : min(d, first + step)]
        for first in edges:
            taken = _dense(values, rows, heads[first : first + step + 1], len(sums), panel.dtype)
            out[first : min(d, first + step)] += np.matmul(taken.T, sums, dtype=part.dtype)
        out[d] += sums.sum(axis=0, dtype=np.float64)


def _dense(values, rows, heads, count, dtype):
    """The columns of a tile of ``count`` rows that start at ``heads``, less the last, as dense."""
    found, numbers = np.zeros((count, len(heads) - 1), dtype), np.arange(len(heads) - 1)
    taken = slice(heads[0], heads[-1])
    found[rows[taken], np.repeat(numbers, np.diff(heads))] = values[taken]
    return found


def sparse_sums(values, heads, mean, sums):
    """As ``sparse.sparse_sums``."""
    counts = np.diff(heads)
    columns = np.repeat(np.arange(len(mean)), counts)
    gaps = values - mean[columns]
    sums[0] += counts
    sums[1] += np.bincount(columns, gaps, len(mean))
    sums[2] += np.bincount(columns, gaps * gaps, len(mean))


def is_warm(dtype, is_sparse=False):
    """There is nothing to compile."""
    return True


def warm_up(dtype, halt=None, is_sparse=False):
    """There is nothing to compile."""


def trouble():
    """There is nothing to keep."""
