"""The sizes of a regression, and what holding its sums costs."""

from dataclasses import dataclass

from ..operators.centring import work_type
from ..operators.cost import (
    LARGEST_PIECE,
    SWEEPS,
    Job,
    Plan,
    algebra_seconds,
    convert_seconds,
    read_seconds,
    share_bytes,
)
from .tiles import STRIP, rows_at_once

EIGH_FLOPS = 9  # times d³: all eigenvalues and vectors


@dataclass(frozen=True, kw_only=True)
class PairJob(Job):
    """Sizes that costs depend on; ``d`` is the number of targets."""

    inputs: int
    pair_bytes: int  # of a row of both, as it is in the files
    with_targets: bool  # whether the targets' own covariance is needed

    @property
    def row_bytes(self):
        """Of the files' types."""
        return self.pair_bytes


def job_of(settings, data, panel, machine):
    """Return the ``PairJob`` of a regression of ``data`` with ``panel`` vectors."""
    needs = settings.chosen.needs(settings)
    return PairJob(
        n=data.n,
        d=data.d,
        inputs=data.inputs,
        pair_bytes=data.row_bytes,
        with_targets=settings.whiten == "both",
        dtype=data.dtype,
        panel=panel,
        double=settings.starts_in_double,
        ritz=needs.has_history,
        ranks=machine.ranks,
        ranks_on_node=machine.ranks_on_node,
        threads=machine.threads,
        shards=machine.shards,
        memory=machine.memory,
        chunk_bytes=data.chunk_bytes,
        shm=machine.shm,
        tol=settings.tol,
        rates=machine.rates,
        panels=needs.panels,
        own=needs.own,
        private=needs.private,
    )


def cost(job):
    """Return the ``Plan`` of a job that holds the sums: C (d, d), D (d, q) and what is solved
    from them.

    Their sums take n·d·(d + 2q) flops at the rate of a large product; solving them 9·d³ and
    2·d²·q on one rank.
    """
    d, q, n = job.inputs, job.d, job.n or 0
    item = work_type(job.dtype, job.double).itemsize
    sums = 8 * (d + q * job.with_targets) * (d + q)
    on_node = 8 * (min(q * q, d * q) + d * q + q * q * job.with_targets)
    solving = sums + 8 * (4 * d * d + 3 * d * q + 4 * q * q * job.with_targets)
    tile = rows_at_once(d, q, item, 1) * (d + q) * item + min(2 * STRIP, 8 * d * max(d, q))
    pieces = 2 * max(min(LARGEST_PIECE, share_bytes(job, job.ranks)), job.chunk_bytes) if n else 0
    held = on_node + solving + job.ranks_on_node * (sums + tile + pieces)
    rate = job.rates.large(item) * job.cores
    products = n * (d * d + 2 * d * q + q * q * job.with_targets) / rate
    alone = (EIGH_FLOPS * d**3 / 4 + 4 * d * d * q + q * q * d) / (job.rates.large8 * job.threads)
    apply = job.passes * 2 * q * min(q, 2 * d) * job.panel / (job.rates.large8 * job.cores)
    converting = convert_seconds(job) * (d + q) / q if n else 0.0
    reading = read_seconds(job) if n else 0.0
    seconds = max(products + SWEEPS * converting, reading) + alone + apply + algebra_seconds(job)
    return Plan("gram", job.shards or 1, held, seconds, n * (d + q) // job.ranks)
