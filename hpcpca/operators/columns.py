"""What is learnt of columns in a reading of its own, before anything is computed: which have
values at all, their means and their standard deviations.
"""

import numpy as np

from ..errors import DataError, on_all_ranks
from ..sources.learned import Learned
from ..sources.rows import blocks_of_shard, stored_blocks
from ..units import listed

ROUNDED = 2.0**-51  # of a mean: deviations that are less are rounding
PIECE_BYTES = 16 << 20  # read at a time
COLUMNS = ("drop-columns", "mean", "em")  # ways with missing values that may leave columns out
TILE_BYTES = 1 << 20  # of deviations at a time


class ColumnMoments:
    """Count, mean and sum of squared deviations of every column, over the values that are there
    (not NaN); merged tile by tile, and then over ranks.
    """

    def __init__(self, d):
        self.counts, self.weights = np.zeros(d), np.zeros(d)
        self.mean, self.squares = np.zeros(d), np.zeros(d)

    def add(self, tile, weights=None):
        """Merge the rows of a tile (r, d) float64, of ``weights`` (r) if there are."""
        absent = np.isnan(tile)
        counts = len(tile) - absent.sum(axis=0)
        if absent.any():
            tile = np.where(absent, 0.0, tile)
        if weights is None:
            total, sums = counts, tile.sum(axis=0)
        else:
            total, sums = weights @ ~absent, weights @ tile
        mean = sums / np.where(total > 0, total, 1)
        gaps = tile - mean
        gaps[absent] = 0
        squares = np.einsum("ij,ij->j", gaps, gaps if weights is None else weights[:, None] * gaps)
        self._merge(counts, total, mean, squares)

    def add_stored(self, block):
        """Merge the rows of a ``SparseBlock``; what is not stored is 0."""
        d, there = len(self.mean), ~np.isnan(block.values)
        columns, values = block.indices[there], block.values[there].astype(np.float64)
        counts = len(block) - np.bincount(block.indices[~there], minlength=d)
        mean = np.bincount(columns, values, d) / np.maximum(counts, 1)
        gaps = values - mean[columns]
        zeros = counts - np.bincount(columns, minlength=d)
        squares = np.bincount(columns, gaps * gaps, d) + zeros * mean**2
        self._merge(counts, counts, mean, squares)

    def _merge(self, counts, weights, mean, squares):
        total = self.weights + weights
        share = weights / np.where(total > 0, total, 1)
        step = mean - self.mean
        self.squares += squares + step**2 * self.weights * share
        self.mean += step * share
        self.counts += counts
        self.weights = total

    def merge_over_ranks(self, total):
        """Merge those of all ranks; ``total(array)`` sums an array over ranks in place.

        Collective.
        """
        joint = total(np.stack([self.counts, self.weights, self.weights * self.mean]))
        mean = joint[2] / np.where(joint[1] > 0, joint[1], 1)
        self.squares += self.weights * (self.mean - mean) ** 2
        self.counts, self.weights, self.mean = joint[0], joint[1], mean
        total(self.squares)


def learn(source, config, world, counters):
    """Return the ``Learned`` of a source's columns as ``config`` (a ``Reading``) asks for, and
    lines that say what was found. Reads all rows once; raises DataError on all ranks. Collective.
    """
    incomplete = np.zeros(source.n if config.nan == "drop-rows" else 0, np.int8)
    with source.exact():
        moments = _moments(source, world, counters, incomplete)
    learned, taken, said, n = Learned(), slice(None), [], source.n
    if incomplete.any():
        learned.left_out = np.flatnonzero(incomplete)
        n -= len(learned.left_out)
        if not n:
            raise on_all_ranks(DataError("every row has missing values: none would be left"))
        said.append(f"{source.n - n} of {source.n} rows have missing values: left out")
    whole, constant = moments.counts == n, moments.squares == 0
    if config.nan in COLUMNS and not whole.all():
        must_be_whole = config.nan == "drop-columns"
        why = "missing values" if must_be_whole else "no value at all"
        taken = np.flatnonzero(whole if must_be_whole else moments.counts > 0)
        if not len(taken):
            raise on_all_ranks(DataError(f"every column has {why}: none would be left"))
        if len(taken) < source.d:
            learned.columns = np.array([source.view.column(each) for each in taken])
            said.append(f"{source.d - len(taken)} of {source.d} columns have {why}: left out")
        said += _fill(config, n, moments, taken, learned)
    if config.scale:
        # with other ways, values that are missing count too: they are at the mean
        weight = n if source.roots is None else _weight(source.roots, incomplete)
        is_em = config.nan == "em"
        counts, total = (moments.counts, moments.weights) if is_em else (n, weight)
        factors = counts / (np.maximum(1, counts - 1) * np.where(total > 0, total, 1))
        variances = np.where(constant, 1.0, moments.squares * factors)
        learned.scale = 1 / np.sqrt(variances[taken])
        if (unscaled := np.flatnonzero(constant[taken])).size:
            numbers = np.arange(source.d)[taken][unscaled]
            named = listed([str(source.view.column(each)) for each in numbers])
            said.append(f"constant columns are left as they are by --scale: {named}")
    return learned, said


def _weight(roots, incomplete):
    """That of all rows that are not ``incomplete``."""
    return float(roots**2 @ (1 - incomplete)) if incomplete.size else float(roots @ roots)


def _fill(config, n, moments, taken, learned):
    """Put means into ``learned`` if they fill the columns ``taken``; return [a line on these]."""
    counts = moments.counts[taken]
    if config.nan == "drop-columns" or (counts == n).all():
        return []
    found = f"{int((n - counts).sum())} missing values in {int((counts < n).sum())} columns"
    if config.nan == "em":
        return [found]
    learned.fill = moments.mean[taken]
    return [f"{found}: their means"]


def _moments(source, world, counters, incomplete):
    """Of all rows. Of those that have missing values, ``incomplete`` (n) becomes 1, and they do not
    count; if it is empty, their other values do.
    """
    place = world.size, world.rank
    with world.agreed():
        if source.stored is None:
            moments = _moments_of_dense(source, place, counters, incomplete)
        else:
            moments = ColumnMoments(source.d)
            for block in stored_blocks(source, place, counters):
                _refuse_infinite(source, block)
                if incomplete.size:
                    gaps = np.flatnonzero(np.isnan(block.values))
                    rows = np.searchsorted(block.ends, gaps, side="right") - 1
                    is_whole = np.ones(len(block), bool)
                    is_whole[rows] = False
                    incomplete[block.first + rows] = 1
                    block = block.only(is_whole)
                moments.add_stored(block)
    moments.merge_over_ranks(world.total)
    if incomplete.size:
        world.total(incomplete)
    if source.stored is not None:  # the mean was not taken off before it was rounded
        moments.squares[moments.squares <= moments.counts * (ROUNDED * moments.mean) ** 2] = 0
    counters.reads += 1
    return moments


def _moments_of_dense(source, place, counters, incomplete):
    """Of a rank's rows, about the first row of all."""
    moments, step = ColumnMoments(source.d), max(1, TILE_BYTES // (8 * source.d))
    number, row = source.place(0)
    shift = np.nan_to_num(source.read(number, row, row + 1).rows[0]).astype(np.float64)
    for block in blocks_of_shard(source, place, PIECE_BYTES, counters):
        _refuse_infinite(source, block)
        for start in range(0, len(block), step):
            rows, roots = block.rows[start : start + step], source.roots_of(block)
            weights = None if roots is None else roots[start : start + step] ** 2
            if incomplete.size:
                is_whole = ~np.isnan(rows).any(axis=1)
                incomplete[block.first + start + np.flatnonzero(~is_whole)] = 1
                rows = rows[is_whole]
                weights = None if weights is None else weights[is_whole]
            moments.add(rows.astype(np.float64) - shift, weights)
    moments.mean += shift
    return moments


def _refuse_infinite(source, block):
    if (infinite := np.isinf(block.values)).any():
        source.refuse(block, infinite)
