"""Builds covariance operators from a source of rows: reading, centring and scaling, collectively.

``ranks`` is the exchange; it is asked for sums and maxima over all ranks and who this one is.
"""

from dataclasses import replace

import numpy as np

from ..errors import DataError, on_all_ranks
from ..partition import NO_ROWS, count_rows
from ..rng import spread
from .centring import Centring, Moments, exponent_of, first_shift, is_whole, work_type
from .gram import GramCovariance, accumulate_gram, finish_gram, read_covariance, rounding_of, sum_by_slabs
from .in_memory import InMemoryCovariance
from .products import ROUNDING
from .streaming import StreamingCovariance
from .unfinished import Unfinished, all_finished

SAMPLE_ROWS = 1024      # whose mean is the shift where rows are read once: off by 0.03 standard deviations
SAMPLE_BYTES = 64 << 20  # of them at most
WINDOWS = 64             # runs of blocks that they lie in: what lies between is read in as many pieces


def in_memory(source, io, ranks, counters, kernels, team, double):
    """Return the ``InMemoryCovariance`` of a source; a shard is read by one rank of each node that has it. Collective."""
    shards, shard, interrupt = ranks.group.size, ranks.shard, ranks.interrupt

    def load(is_double, former=None):
        if former:
            ranks.release(former)
        held, largest = ranks.rows(io.shard_rows(source, shards, shard), source.d, source.dtype), 0.0
        with ranks.agreed():
            if held.node.rank == 0:
                largest = io.load_shard(source, shards, shard, counters, held.array, interrupt.requested)
        held.fence()
        interrupt.stop_if(interrupt.requested())
        counters.reads += 1
        work = work_type(source.dtype, is_double)
        row = _first_row(source, io, ranks, counters)
        centring = Centring(first_shift(row, work), exponent_of(ranks.maximum(largest), work), work, kernels, is_whole(source.dtype))
        with counters.time("apply"):
            moments = _moments(centring.tiles(held.array, np.float64), team, source.d)
        if ranks.group_number:  # each group holds all rows: count them once
            moments = Moments(source.d, kernels)
        return held, centring.measured(moments.merge_over_ranks(ranks.sum)).at_the_mean()

    return InMemoryCovariance(load, double, ranks, counters, team)


def _moments(tiles, team, d):
    if tiles.shift.dtype.kind == "f":
        tiles.shift = tiles.shift.astype(np.float64)

    def work(number, local):
        buffer, moments = local
        moments.add(tiles.tile(number, buffer))

    found = team.share(len(tiles), lambda: (tiles.buffer(), Moments(d, tiles.kernels)), work)
    for _, other in found[1:]:
        found[0][1].merge(other)
    return found[0][1]


def _first_row(source, io, ranks, counters):
    """The first row of the file set, on all ranks."""
    number = next(i for i, part in enumerate(source.parts) if part.rows)
    row = np.empty((1, source.d), source.dtype)
    with ranks.agreed():
        if ranks.rank == 0:
            source.read_into(number, 0, 1, row)
    return ranks.broadcast(row)[0]


def gram(source, io, ranks, counters, kernels, team, double, seed, unfinished=None):
    """Return the ``GramCovariance`` of a source, built in one read: every rank multiplies its share of the rows. Collective.

    ``unfinished`` is what a run that was stopped knew of Σ.
    """
    panel, row_bytes = ranks.panel(source.d, source.d), source.d * source.dtype.itemsize

    def build(is_double):
        nonlocal unfinished
        work, begun = work_type(source.dtype, is_double), None
        if unfinished is not None and unfinished.centring.work == work:
            begun, unfinished = unfinished, None  # not kept: it is as large as Σ
            centring, known = begun.centring, []
        else:
            centring, known = _sampled_centring(source, io, ranks, counters, kernels, team, work, seed, (ranks.size, ranks.rank),
                                                min(SAMPLE_ROWS, max(1, SAMPLE_BYTES // row_bytes)))
        for _ in range(3):
            measured, matrix, rounding = _one_read(source, io, ranks, counters, centring, known, panel, begun)
            begun = None
            if matrix is not None:
                return matrix, measured, 2 * measured.exponent, rounding
            centring, known = measured, []
        raise on_all_ranks(DataError("the data's range is too large to centre and scale in three readings; rescale the data"))

    return GramCovariance(build, double, ranks, counters)


def streaming(source, io, ranks, counters, kernels, team, double, seed, piece_bytes, sample_rows, known=None, unfinished=None):
    """Return the ``StreamingCovariance`` of a source: every rank of a group reads its shard anew each pass. Collective.

    ``sample_rows`` is how many rows to sample for shift and start panel, unless their ``Centring`` is ``known``; ``unfinished`` is the
    pass that a run was stopped in.
    """
    shards, shard = ranks.group.size, ranks.shard

    def sampled(is_double):
        work = work_type(source.dtype, is_double)
        centring, known = _sampled_centring(source, io, ranks, counters, kernels, team, work, seed, (shards, shard), sample_rows)
        counters.reads += centring.count / source.n
        return centring, known[0], centring.count / source.n

    def read(checked, done):
        return io.windows(source, shards, shard, piece_bytes, counters, checked, done, ranks.interrupt.requested)

    return StreamingCovariance(read, source.check_rows, source.n, sampled, double, ranks, counters, team, known, unfinished)


def _sampled_centring(source, io, ranks, counters, kernels, team, work, seed, place, wanted):
    """Shift and scale from about ``wanted`` rows in blocks spread over the whole file set, and this rank's of them, to be used again.

    ``place`` = (number of shards, which of them this rank has).
    """
    blocks, interrupt = source.blocks, ranks.interrupt
    count = min(len(blocks), max(1, round(wanted / (source.n / len(blocks)))))
    starts = spread(seed, min(WINDOWS, count), len(blocks))
    chosen = np.unique(starts[:, None] + np.arange(-(-count // len(starts))))
    chosen = np.arange(len(blocks)) if count == len(blocks) else chosen[chosen < len(blocks)]
    first, last = blocks.shard(*place)
    with ranks.agreed():
        rows, runs, largest = io.read_blocks(source, chosen[(first <= chosen) & (chosen < last)], counters, interrupt.requested)
    interrupt.stop_if(interrupt.requested())
    shift = first_shift(_first_row(source, io, ranks, counters), work)
    centring = Centring(shift, exponent_of(ranks.maximum(largest), work), work, kernels, is_whole(source.dtype))
    moments = Moments(source.d, kernels)
    if place[0] == ranks.size or ranks.group_number == 0:  # each group samples all rows: count them once
        moments = _moments(centring.tiles(rows, np.float64), team, source.d)
    return centring.measured(moments.merge_over_ranks(ranks.sum)).at_the_mean(), [rows, runs, largest]


def _one_read(source, io, ranks, counters, centring, known, panel, begun):
    """Read all rows once; return their centring, Σ and its rounding, or a better centring and None where this one was not good enough.

    What ``begun`` holds is not read again. Raises Interrupted, with what is finished, on all ranks within a piece of a request to stop.
    """
    largest, total, sums = [0.0], np.zeros((source.d, source.d)), np.zeros((2, source.d))
    done = begun.rows if begun else NO_ROWS
    if begun and ranks.rank == 0:
        total += begun.sums
        begun.sums = None  # as large as Σ
        sums += begun.moments
    interrupt = ranks.interrupt
    with ranks.agreed():
        pieces = io.pieces_of_shard(source, ranks.size, ranks.rank, counters, known, largest, done, interrupt.requested)
        finished = accumulate_gram(pieces, total, sums, centring, counters)
    interrupt.stop_if(interrupt.requested(), lambda: _unfinished_gram(source, ranks, counters, centring, panel, total, sums, finished, begun))
    counters.reads += 1 - count_rows(done) / source.n
    joint = ranks.sum(np.concatenate([*sums, np.diag(total)]))
    if not np.isfinite(joint).all():  # so is every entry of a positive semidefinite matrix whose diagonal is
        return replace(centring, exponent=exponent_of(ranks.maximum(largest[0]), centring.work)), None, None
    columns, squares, diagonal = joint.reshape(3, source.d)
    measured = centring.measured_by_sums(source.n, columns, squares)
    measured.check_variance()
    if measured.is_off():
        return measured.at_the_mean(), None, None
    finish_gram(total, measured, panel.array if panel.node.rank == 0 else None, ranks.sum)
    panel.fence()
    return measured, panel.array, rounding_of(diagonal, squares, centring.work)


def _unfinished_gram(source, ranks, counters, centring, panel, total, sums, finished, begun):
    """What is known of Σ, summed over the ranks: on the root. Collective."""
    rows, new = all_finished(ranks.gather_objects(finished), begun)
    counters.reads += new / source.n
    sum_by_slabs(total, panel.array if panel.node.rank == 0 else None, ranks.sum)
    panel.fence()
    return Unfinished(None, panel.array, rows, ranks.sum(sums), centring)


def covariance(source, io, ranks, counters):
    """Return the ``GramCovariance`` of a matrix that is a covariance already, read once per node. Collective."""
    panel = ranks.panel(source.d, source.d)

    def build(_):
        counters.reads += 1
        exponent = 0
        with ranks.agreed():
            if panel.node.rank == 0:
                matrix = np.empty((source.d, source.d), source.dtype)
                largest = io.load_shard(source, 1, 0, counters, matrix)
                exponent = int(np.frexp(largest)[1])
                read_covariance(matrix, panel.array, exponent)
        panel.fence()
        exponent = int(ranks.maximum(exponent if panel.node.rank == 0 else -10_000))
        return panel.array, None, exponent, ROUNDING[True]

    return GramCovariance(build, True, ranks, counters)
