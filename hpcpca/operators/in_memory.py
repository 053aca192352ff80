"""Covariance operator on rows held in memory: every rank of a group multiplies its shard, the
images are summed.
"""

import numpy as np

from ..sources.rows import load_shard, shard_rows
from .centring import Centring, Moments, exponent_of, first_shift, is_whole, work_type
from .cost import (
    SWEEPS,
    Plan,
    algebra_seconds,
    convert_seconds,
    pass_seconds,
    scratch,
)
from .kind import register
from .operator import Operator
from .products import ROUNDING, about_the_mean, panel_product
from .sample import Sample
from .sampling import first_row, moments_of


class InMemoryCovariance(Operator):
    """Σ = (Y−1μᵀ)ᵀ(Y−1μᵀ)/(n−1) for the rows of a group's shards, centred implicitly (design:
    shift + correction).

    ``load(double, former)`` → (held, tiles, Centring) reads this rank's shard in place of
    ``former``: memory ``held``, perhaps with other ranks of the node, and the rows in it as
    ``tiles``. The ranks of a group of ``exchange`` sum their images. If values are ``rounded``,
    they are read again to go on in double.
    """

    def __init__(self, load, is_double, exchange, counters, team, *, rounded=False):
        self._rounded = rounded
        self._load, self._exchange, self._counters, self._team = load, exchange, counters, team
        self.is_double = is_double
        self._take(*load(is_double))

    def _take(self, held, tiles, centring):
        self._held, self._tiles, self.centring = held, tiles, centring
        self.n, self.d = centring.count, tiles.width
        self.mean, self.total_variance, self.exponent = (
            centring.mean,
            centring.total_variance,
            2 * centring.exponent,
        )

    def to_double(self):
        """Continue in float64: read the rows again if centring them in single precision has
        rounded them. Collective.

        Images must be computed again: the scale may differ.
        """
        self._tiles = None if self._rounded else self._tiles.in_double()
        if self._tiles is None:
            self._take(*self._load(True, self._held))
        else:
            self.centring = self.centring.in_double()
        self.is_double = True

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        return ROUNDING[self.is_double]

    def apply(self, panel, offsets):
        """Return the images (own, d) of this rank's columns; ``panel`` (c, d) holds its group's,
        ``offsets`` says who owns which of all.

        Collective.
        """
        self._counters.passes += 1
        with self._counters.time("apply"):
            interrupt = self._exchange.interrupt
            partial = panel_product(self._team, self._tiles, panel, interrupt.requested)
            interrupt.stop_if(
                interrupt.requested()
            )  # a pass over memory is short enough to be done again
            own = self._exchange.reduce_to_owners(partial, offsets)
            return about_the_mean(own, self._exchange.own_rows(panel, offsets), self.centring)

    def sampled(self, numbers, share):
        """Return Σ of a sample, ``share`` of all rows: of copies of this rank's rows ``numbers``.
        Collective.
        """
        tiles, size = self._tiles.subset(numbers), len(numbers)
        parts = {"exchange": self._exchange, "counters": self._counters, "team": self._team}
        return Sample(tiles, size, share, self, **parts)


def centred_tiles(held, centring, team, roots=None):
    """Return the rows ``held`` (a SharedArray), times ``roots`` (r) if there are, as tiles. If they
    are of the type that they are multiplied in, all of them are centred now: it needs no further
    memory. Collective.
    """
    tiles = centring.tiles(held.array, roots=roots)
    if held.array.dtype == centring.work:
        held.fence()  # all have taken their moments
        if held.node.rank == 0:
            team.share(len(tiles), lambda: None, lambda number, _: _centre_in_place(tiles, number))
        held.fence()
        tiles.shift = None
    return tiles


def _centre_in_place(tiles, number):
    rows = tiles.rows[number * tiles.step : (number + 1) * tiles.step]
    rows -= tiles.shift
    rows *= tiles.scale
    if tiles.roots is not None:
        rows *= tiles.roots_of(number)[:, None].astype(rows.dtype)


def load(resources, is_double, plan, resumed):
    """Return the ``InMemoryCovariance`` of the rows: one rank of each node reads a shard.

    Collective; nothing ``resumed`` is of use.
    """
    source, exchange, counters = resources.source, resources.exchange, resources.counters
    shards, shard, interrupt = exchange.grid.shards, exchange.shard, exchange.interrupt

    def read(is_double, former=None):
        if former:
            exchange.release(former)
        if is_double:
            source.be_exact()
        held, largest = (
            exchange.rows(shard_rows(source, shards, shard), source.d, source.dtype),
            0.0,
        )
        with exchange.agreed():
            if held.node.rank == 0:
                place = shards, shard
                largest = load_shard(source, place, counters, held.array, interrupt.requested)
        held.fence()
        interrupt.stop_if(interrupt.requested())
        counters.reads += 1
        work = work_type(source.dtype, is_double)
        scale = exponent_of(exchange.maximum(largest), work)
        centring = Centring(
            first_shift(first_row(resources), work, resources.is_centred),
            scale,
            work,
            resources.kernels,
            is_whole(source.dtype),
            is_centred=resources.is_centred,
        )
        with counters.time("apply"):
            roots = source.roots_of_shard(shards, shard)
            tiles = centring.tiles(held.array, np.float64, roots)
            moments = moments_of(tiles, resources.team, source.d)
        if exchange.group_number:  # each group holds all rows: count them once
            moments = Moments(source.d, resources.kernels)
        centring = centring.measured(moments.merge_over_ranks(exchange.sum)).at_the_mean()
        centring.check_variance()
        return held, centred_tiles(held, centring, resources.team, roots), centring

    rounded = source.view.is_rounded
    return InMemoryCovariance(read, is_double, exchange, counters, resources.team, rounded=rounded)


def held_rows(job, shards):
    """Bytes of the rows that a node holds: once, whatever number of groups, if they fit what its
    ranks may share.
    """
    rows = job.n * job.row_bytes * min(shards, job.ranks_on_node) // shards
    if shards < job.ranks_on_node and rows > job.shm:
        rows = job.n * job.row_bytes * job.ranks_on_node // shards
    return rows


def cost(job):
    """Return the ``Plan`` of a job whose rows are held in memory."""
    shards, passes = job.shards or job.ranks, job.passes
    rows = held_rows(job, shards)
    held = rows + scratch(job, shards)
    converting = job.ranks // shards * convert_seconds(job)  # every group converts all rows
    first = rows / job.rates.read + rows / job.rates.touch + SWEEPS * converting
    return Plan(
        "in-memory",
        shards,
        held,
        first + passes * pass_seconds(job) + algebra_seconds(job),
        (passes + 2) * job.n * job.d // shards,
    )


register("in-memory", load, cost, samples="holds")
