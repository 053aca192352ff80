"""What is learnt of columns in a reading of its own, before anything is computed: which have
values at all, their means and their standard deviations.
"""

import numpy as np

from ..errors import DataError, on_all_ranks
from ..sources.learned import Learned
from ..sources.rows import blocks_of_shard
from ..units import listed

PIECE_BYTES = 16 << 20  # read at a time
TILE_BYTES = 1 << 20  # of deviations at a time


class ColumnMoments:
    """Count, mean and sum of squared deviations of every column, over the values that are there
    (not NaN); merged tile by tile, and then over ranks.
    """

    def __init__(self, d):
        self.counts, self.mean, self.squares = np.zeros(d), np.zeros(d), np.zeros(d)

    def add(self, tile):
        """Merge the rows of a tile (r, d) float64."""
        absent = np.isnan(tile)
        counts = len(tile) - absent.sum(axis=0)
        if absent.any():
            tile = np.where(absent, 0.0, tile)
        mean = tile.sum(axis=0) / np.maximum(counts, 1)
        gaps = tile - mean
        gaps[absent] = 0
        total = np.maximum(self.counts + counts, 1)
        step = mean - self.mean
        self.squares += np.einsum("ij,ij->j", gaps, gaps) + step**2 * self.counts * counts / total
        self.mean += step * counts / total
        self.counts += counts

    def merge_over_ranks(self, total):
        """Merge those of all ranks; ``total(array)`` sums an array over ranks in place.

        Collective.
        """
        joint = total(np.stack([self.counts, self.counts * self.mean]))
        mean = joint[1] / np.maximum(joint[0], 1)
        self.squares += self.counts * (self.mean - mean) ** 2
        self.counts, self.mean = joint[0], mean
        total(self.squares)


def learn(source, config, world, counters):
    """Return the ``Learned`` of a source's columns as ``config`` (a ``Reading``) asks for, and
    lines that say what was found. Reads all rows once; raises DataError on all ranks. Collective.
    """
    moments = _moments(source, world, counters)
    whole, said, constant = moments.counts == source.n, [], moments.squares == 0
    learned, taken = Learned(), slice(None)
    if config.nan == "drop-columns" and not whole.all():
        if not whole.any():
            raise on_all_ranks(DataError("every column has missing values: none would be left"))
        taken = np.flatnonzero(whole)
        learned.columns = np.array([source.view.column(each) for each in taken])
        said.append(f"{source.d - len(taken)} of {source.d} columns have missing values: left out")
    if config.nan == "mean" and not whole.all():
        if (empty := np.flatnonzero(moments.counts == 0)).size:
            raise on_all_ranks(
                DataError(
                    f"column {source.view.column(empty[0])} has no value at all; give --nan"
                    " drop-columns"
                )
            )
        learned.fill = moments.mean
        missing = int((source.n - moments.counts).sum())
        said.append(f"{missing} missing values in {int((~whole).sum())} columns: their means")
    if config.scale:
        variances = np.where(constant, 1.0, moments.squares / max(1, source.n - 1))
        learned.scale = 1 / np.sqrt(variances[taken])
        if (unscaled := np.flatnonzero(constant[taken])).size:
            numbers = np.arange(source.d)[taken][unscaled]
            named = listed([str(source.view.column(each)) for each in numbers])
            said.append(f"constant columns are left as they are by --scale: {named}")
    return learned, said


def _moments(source, world, counters):
    moments, step = ColumnMoments(source.d), max(1, TILE_BYTES // (8 * source.d))
    with world.agreed():
        number, row = source.place(0)
        shift = np.nan_to_num(source.read(number, row, row + 1).rows[0]).astype(np.float64)
        for block in blocks_of_shard(source, (world.size, world.rank), PIECE_BYTES, counters):
            if (infinite := np.isinf(block.rows)).any():
                source.refuse(block, infinite)
            for start in range(0, len(block), step):
                moments.add(block.rows[start : start + step].astype(np.float64) - shift)
    moments.merge_over_ranks(world.total)
    moments.mean += shift
    counters.reads += 1
    return moments
