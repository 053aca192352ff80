"""Columns scaled to unit variance: what they are multiplied by, from one reading."""

import numpy as np

from ..sources.rows import blocks_of_shard
from .centring import Moments

PIECE_BYTES = 16 << 20  # read at a time
TILE_BYTES = 1 << 20  # of deviations at a time


def column_factors(source, kernels, world, counters):
    """Return 1/s of every column, s its standard deviation, and 1 of those that are constant: (d)
    float64; and the numbers of these. Reads all rows once; raises DataError for NaN. Collective.
    """
    moments, step = Moments(source.d, kernels), max(1, TILE_BYTES // (8 * source.d))
    with world.agreed():
        first = source.first_row().astype(np.float64)
        checked = [0.0, 0]
        place = world.size, world.rank
        for block in blocks_of_shard(source, place, PIECE_BYTES, counters, checked=checked):
            for start in range(0, len(block), step):
                moments.add(block.rows[start : start + step].astype(np.float64) - first)
    moments.merge_over_ranks(world.total)
    counters.reads += 1
    constant = moments.squares == 0
    variances = np.where(constant, 1.0, moments.squares / max(1, moments.count - 1))
    return 1 / np.sqrt(variances), np.flatnonzero(constant)
