"""S by passes over rows that stay in the files: an application takes two readings."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..operators.cost import (
    LARGEST_PIECE,
    Plan,
    algebra_seconds,
    convert_seconds,
    pass_seconds,
    read_seconds,
    share_bytes,
)
from ..operators.streaming import Streamed
from ..operators.unfinished import Unfinished
from ..sources.rows import blocks_of_shard, never
from .base import metric_of
from .by_rows import FittedByRows, build_seconds, held_bytes, products_of
from .sums import Reading
from .tiles import Across


@dataclass
class UnfinishedHalf(Unfinished):
    """A half of an application that was stopped: T = X̃ᵀ(Ỹb) as far as it goes; or, if C⁻¹T is
    ``solved`` (own, d), the images. ``centring`` are those of X and of Y.
    """

    parts: ClassVar[tuple] = ("panel", "sums", "solved")

    solved: np.ndarray | None = None


class StreamingFitted(Streamed, FittedByRows):
    """S from the rows in the files.

    ``unfinished`` is the ``UnfinishedHalf`` that a run was stopped in; it knows the centrings that
    its sums are about.
    """

    inputs_at_hand = False

    def __init__(self, reading, metric, is_double, piece_bytes, *, resumed):
        self._reading, resources = reading, reading.resources
        self._source, self._team, self._piece_bytes = resources.source, resources.team, piece_bytes
        self._earlier_sums, self.unfinished = resumed.unfinished, resumed.half
        self._may_stop = True
        super().__init__(metric, is_double, resources.exchange, resources.counters)

    def _read(self, is_double):
        earlier, self._earlier_sums = self._earlier_sums, None
        known = self.unfinished and self.unfinished.centring
        sums = self._reading.sums(is_double, earlier, known)
        return sums, self._reading.centrings

    def _blocks(self, done):
        grid, halt = self._exchange.grid, self._exchange.interrupt.requested
        return blocks_of_shard(
            self._source,
            (grid.shards, self._exchange.shard),
            self._piece_bytes,
            self._counters,
            done=done,
            halt=halt if self._may_stop else never,
        )

    def _sum(self, panel, offsets, to_targets, half, may_stop):
        x, y = self._centrings
        self._may_stop = may_stop

        def across(block):
            sides = x.tiles(block.rows.x), y.tiles(block.rows.y)
            return Across(*(sides if to_targets else sides[::-1]))

        def keep(own, rows):
            if half is None:
                return None
            known = half.own.copy(), own, rows, None, (x, y)
            return UnfinishedHalf(*known, offsets=offsets, solved=half.solved)

        width = len(self.y if to_targets else self.x)
        asked = (panel, offsets), width, across, keep
        return self._one_pass(*asked, earlier=half and half.earlier, may_stop=may_stop)


def load(resources, settings, plan, resumed):
    """Return the ``StreamingFitted`` of the rows: every rank of a group reads its shard in every
    pass. Collective.

    ``resumed`` is what a run that was stopped knew: C half summed, or half an application.
    """
    metric = metric_of(settings)
    products = products_of(metric, resources.source.d, settings.seed)
    reading = Reading(resources, is_centred=not settings.no_centre, products=products)
    is_double, piece_bytes = settings.starts_in_double, plan.piece_bytes
    return StreamingFitted(reading, metric, is_double, piece_bytes, resumed=resumed)


def cost(job):
    """Return the ``Plan`` of a job that reads its rows twice for every application."""
    shards, passes, joined = job.shards or job.ranks, job.passes, job.joined
    piece = max(
        job.chunk_bytes,
        job.row_bytes,
        min(LARGEST_PIECE, share_bytes(job, shards), job.memory // (8 * job.ranks_on_node)),
    )
    groups = job.ranks // shards  # every one reads and converts all rows
    converting, reading = groups * convert_seconds(joined), groups * read_seconds(job)
    copying = groups * job.n * job.row_bytes / (job.rates.copy * job.cores)
    each = max(pass_seconds(joined) / 2 + converting + copying, reading)
    first = max(build_seconds(job) + copying, read_seconds(job))
    readings = 2 * passes + 1  # and one for the inputs' side
    return Plan(
        "streaming",
        shards,
        held_bytes(job, shards) + job.ranks_on_node * 2 * piece,
        first + readings * each + algebra_seconds(job),
        (readings + 3) * job.n * joined.d // shards,
        piece_bytes=piece,
        reads=1 + groups * readings,
    )
