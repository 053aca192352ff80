"""Shift and scale of rows before all of them were read: from the first row, or from blocks
spread over the files.
"""

import numpy as np

from ..rng import spread
from ..sources.rows import read_blocks
from .centring import Centring, Moments, exponent_of, first_shift, is_whole

WINDOWS = 64  # runs of blocks that sampled rows lie in: what lies between is read in as many pieces


def moments_of(tiles, team, d):
    """Return the ``Moments`` of the rows of tiles, taken by a team of threads."""

    def work(number, local):
        buffer, moments = local
        moments.add(tiles.tile(number, buffer), tiles.roots_of(number))

    found = team.share(len(tiles), lambda: (tiles.buffer(), Moments(d, tiles.kernels)), work)
    for _, other in found[1:]:
        found[0][1].merge(other)
    return found[0][1]


def first_row(resources):
    """Return the first row (d) of the file set, on all ranks. Collective."""
    source, exchange = resources.source, resources.exchange
    row = np.empty(source.d, source.dtype)
    with exchange.agreed():
        if exchange.rank == 0:
            row[:] = source.first_row()
    return exchange.broadcast(row)


def sampled_centring(resources, work, place, wanted):
    """Return shift and scale from about ``wanted`` rows in blocks spread over the whole file
    set, and this rank's of them, as ``read_blocks`` gives them. Collective.

    ``place`` = (number of shards, which of them this rank has). The rows are to be used again.
    """
    source, exchange, counters, kernels = (
        resources.source,
        resources.exchange,
        resources.counters,
        resources.kernels,
    )
    blocks, interrupt = source.blocks, exchange.interrupt
    count = min(len(blocks), max(1, round(wanted / (source.n / len(blocks)))))
    starts = spread(resources.seed, min(WINDOWS, count), len(blocks))
    windows = starts[:, None] + np.arange(-(-count // len(starts)))
    chosen = np.array(sorted(set(windows.ravel().tolist())))
    chosen = np.arange(len(blocks)) if count == len(blocks) else chosen[chosen < len(blocks)]
    first, last = blocks.shard(*place)
    with exchange.agreed():
        found = read_blocks(
            source, chosen[(first <= chosen) & (chosen < last)], counters, interrupt.requested
        )
    interrupt.stop_if(interrupt.requested())
    centring = Centring(
        first_shift(first_row(resources), work, resources.is_centred),
        exponent_of(exchange.maximum(found[2]), work),
        work,
        kernels,
        is_whole(source.dtype),
        is_centred=resources.is_centred,
    )
    moments = Moments(source.d, kernels)
    if (
        place[0] == exchange.size or exchange.group_number == 0
    ):  # each group samples all rows: count them once
        tiles = centring.tiles(found[0], np.float64)
        moments = moments_of(tiles, resources.team, source.d)
    return centring.measured(moments.merge_over_ranks(exchange.sum)).at_the_mean(), list(found)
