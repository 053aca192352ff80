"""Covariance operator on rows that are used where they lie in their files: in the page cache, which
all ranks of a node share.
"""

import math
from dataclasses import replace

from ..kernels.tiles import PRODUCT_ROWS
from . import streaming
from .cost import (
    SWEEPS,
    Plan,
    algebra_seconds,
    convert_seconds,
    pass_seconds,
    scratch,
)
from .kind import register

WINDOW_BYTES = 64 << 20  # of rows between two looks at whether a file was changed,
LARGEST_WINDOW = 512 << 20  # if these are not fewer than whole products take


class MappedCovariance(streaming.StreamingCovariance):
    """As ``StreamingCovariance``, of rows that are mapped. As long as they stay in memory, all
    passes together read the files once.
    """

    def _count(self, share):
        self._counters.passes += share
        if not (self._source.stays and self._is_measured):
            self._counters.reads += share


def load(resources, is_double, plan, resumed):
    """Return the ``MappedCovariance`` of the rows. Collective; ``resumed`` is as of streaming."""
    resources.source.expect_room(plan.reads == 1)
    return streaming.by_passes(MappedCovariance, resources, is_double, plan, resumed)


def refusal(job):
    """Why it is not for the data of a job, or None."""
    return f"rows cannot be used where they lie: {job.unmapped}" if job.unmapped else None


def cost(job, most_sampled=math.inf):
    """Return the ``Plan`` of a job whose rows are mapped: only a sample takes memory of its own, of
    at most ``most_sampled`` rows.
    """
    shards = job.shards or job.ranks
    groups = job.ranks // shards  # every one converts all rows
    stays = job.n * job.row_bytes <= job.cached * job.ranks // job.ranks_on_node
    fetching = job.n * job.row_bytes / (job.rates.map * job.ranks / job.ranks_on_node)
    each = pass_seconds(job)
    first = max(each, fetching)  # rows are fetched ahead
    seconds = first + (job.passes - 1) * (each if stays else first)
    found = streaming.cost(replace(job, chunk_bytes=0), most_sampled)
    return Plan(
        "mapped",
        shards,
        scratch(job, shards) + found.sample_rows * job.row_bytes * job.ranks_on_node // shards,
        seconds + SWEEPS * groups * convert_seconds(job) + algebra_seconds(job),
        found.elements,
        piece_bytes=max(WINDOW_BYTES, min(LARGEST_WINDOW, 8 * PRODUCT_ROWS * job.row_bytes)),
        sample_rows=found.sample_rows,
        reads=1 if stays else groups * job.passes,
    )


register("mapped", load, cost, refusal=refusal, samples="reads")
