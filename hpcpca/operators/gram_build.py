"""Builds Σ in one read of the rows: every rank multiplies its share, block by block (SYRK), and
the sums are added up.
"""

from dataclasses import replace

import numpy as np

from ..errors import DataError, on_all_ranks
from ..kernels.tiles import tile_rows
from ..partition import NO_ROWS, count_rows
from ..sources.rows import pieces_of_shard
from .centring import exponent_of, work_type
from .cost import (
    LARGEST_PIECE,
    SWEEPS,
    Plan,
    algebra_seconds,
    convert_seconds,
    read_seconds,
    share_bytes,
)
from .gram import GramCovariance, accumulate_gram, finish_gram, rounding_of, sum_by_slabs, tile_step
from .kind import register
from .sampling import sampled_centring
from .unfinished import Unfinished, all_finished

SAMPLE_ROWS = 1024  # whose mean is the shift if rows are read once: off by 0.03 standard deviations
SAMPLE_BYTES = 64 << 20  # of them at most


def load(resources, is_double, plan, resumed):
    """Return the ``GramCovariance`` of the rows, built in one read. Collective.

    ``resumed`` is what a run that was stopped knew: perhaps a part of Σ.
    """
    source, exchange = resources.source, resources.exchange
    panel, row_bytes = exchange.panel(source.d, source.d), source.d * source.dtype.itemsize
    unfinished = resumed.unfinished_gram()

    def build(is_double):
        nonlocal unfinished
        if is_double:
            source.be_exact()
        work, known_part = work_type(source.dtype, is_double), None
        if unfinished is not None and unfinished.centring.work == work:
            known_part, unfinished = unfinished, None  # not kept: it is as large as Σ
            centring, known = known_part.centring, []
        else:
            wanted = min(SAMPLE_ROWS, max(1, SAMPLE_BYTES // row_bytes))
            centring, known = sampled_centring(
                resources, work, (exchange.size, exchange.rank), wanted
            )
        for _ in range(3):
            measured, matrix, rounding = _one_read(resources, centring, known, panel, known_part)
            known_part = None
            if matrix is not None:
                return matrix, measured, 2 * measured.exponent, rounding
            centring, known = measured, []
        raise on_all_ranks(
            DataError(
                "the data's range is too large to centre and scale in three readings; rescale the"
                " data"
            )
        )

    return GramCovariance(build, is_double, exchange, resources.counters)


def _one_read(resources, centring, known, panel, earlier):
    """Read all rows once; return their centring, Σ and its rounding, or a better centring and
    None if this one was not good enough.

    What an ``earlier`` run has built is not read again. Raises Interrupted, with what is finished,
    on all ranks within a piece of a request to stop.
    """
    source, exchange, counters = resources.source, resources.exchange, resources.counters
    largest, total, sums = [0.0], np.zeros((source.d, source.d)), np.zeros((2, source.d))
    done = earlier.rows if earlier else NO_ROWS
    if earlier and exchange.rank == 0:
        total += earlier.sums
        earlier.sums = None  # as large as Σ
        sums += earlier.moments
    interrupt = exchange.interrupt
    with exchange.agreed():
        pieces = pieces_of_shard(
            source,
            (exchange.size, exchange.rank),
            counters,
            known,
            largest,
            done=done,
            halt=interrupt.requested,
        )
        finished = accumulate_gram(pieces, total, sums, centring, counters, roots=source.roots)
    interrupt.stop_if(
        interrupt.requested(),
        lambda: _unfinished(
            resources, centring, panel, total, sums, finished=finished, earlier=earlier
        ),
    )
    counters.reads += 1 - count_rows(done) / source.n
    joint = exchange.sum(np.concatenate([*sums, np.diag(total)]))
    if not np.isfinite(
        joint
    ).all():  # so is every entry of a positive semidefinite matrix whose diagonal is
        return (
            replace(centring, exponent=exponent_of(exchange.maximum(largest[0]), centring.work)),
            None,
            None,
        )
    columns, squares, diagonal = joint.reshape(3, source.d)
    measured = centring.measured_by_sums(source.n, columns, squares)
    measured.check_variance()
    if measured.is_off():
        return measured.at_the_mean(), None, None
    finish_gram(total, measured, panel.array if panel.node.rank == 0 else None, exchange.sum)
    panel.fence()
    return measured, panel.array, rounding_of(diagonal, squares, centring.work)


def _unfinished(resources, centring, panel, total, sums, *, finished, earlier):
    """The known part of Σ, summed over the ranks, on the root. Collective."""
    exchange = resources.exchange
    rows, new = all_finished(exchange.gather_objects(finished), earlier)
    resources.counters.reads += new / resources.source.n
    sum_by_slabs(total, panel.array if panel.node.rank == 0 else None, exchange.sum)
    panel.fence()
    return Unfinished(None, panel.array, rows, exchange.sum(sums), centring)


def cost(job):
    """Return the ``Plan`` of a job that holds Σ itself.

    Building it takes n·d² flops (SYRK uses symmetry) at the rate of a large product, and applying
    it 2·d²·m flops a round.
    """
    matrix = 8 * job.d**2
    apply = job.passes * 2 * job.d**2 * job.panel / (
        job.rates.large(8) * job.cores
    ) + algebra_seconds(job)
    if job.n is None:
        return Plan("gram", job.shards or 1, matrix, apply, 0)
    item = job.work.itemsize
    tile = (
        min(tile_step(job.d, item, tile_rows(job.d, item)), -(-job.n // job.ranks)) * job.d * item
    )
    held = matrix + job.ranks_on_node * (
        matrix
        + matrix * item // 8
        + tile
        + 2 * max(min(LARGEST_PIECE, share_bytes(job, job.ranks)), job.chunk_bytes)
    )
    products = job.n * job.d**2 / (job.rates.large(item) * job.cores)
    seconds = max(products + SWEEPS * convert_seconds(job), read_seconds(job)) + apply
    return Plan("gram", job.shards or 1, held, seconds, job.n * job.d // job.ranks)


register("gram", load, cost)
