"""Covariance operator on sparse rows, of which only the stored values are held, and centred
implicitly: memory and work grow with these.
"""

from dataclasses import replace

import numpy as np

from ..kernels.sparse_tiles import SparseTiles, row_type, rows_of_tile
from ..sources.rows import in_steps, size_of_shard, stored_blocks
from .centring import Centring, exponent_of, work_type
from .columns import ROUNDED
from .cost import Plan, algebra_seconds
from .in_memory import InMemoryCovariance
from .kind import register
from .products import ROUNDING

RATE = 0.18  # of the rate of dense products that those of stored values have (measured)
PIECE_BYTES = 64 << 20  # of stored values read at a time
CONVERTED = 6.0  # conversions of a value that reading, ordering and measuring it are worth


class Held:
    """The stored values of a shard as tiles, in memory that ranks of a node may share."""

    def __init__(self, resources, stored, rows, dtype):
        """Collective. There is room for so many ``stored`` values."""
        exchange, width = resources.exchange, resources.source.d
        self._exchange = exchange
        step = rows_of_tile(stored, rows, width)
        self.counts = [min(step, rows - first) for first in range(0, rows, step)]
        self._arrays = [
            exchange.rows(1, max(1, stored), dtype),
            exchange.rows(1, max(1, stored), row_type(step)),
            exchange.rows(max(1, len(self.counts)), width + 1, np.dtype(np.int32)),
        ]
        self.node, self._kernels = self._arrays[0].node, resources.kernels

    def fill(self, blocks):
        """Put the rows of blocks there, one after the other. For one rank of the node."""
        (values,), (rows,), heads = (each.array for each in self._arrays)
        first = 0
        for number, part in enumerate(in_steps(blocks, self.counts)):
            last = first + len(part.values)
            place = heads[number], rows[first:last], values[first:last]
            self._kernels.by_columns(part.values, part.indices, part.ends, *place)
            first = last

    def fence(self):
        """Wait until every rank of the node sees them."""
        for each in self._arrays:
            each.fence()

    def release(self):
        """Free them. Collective."""
        for each in self._arrays:
            self._exchange.release(each)

    def tiles(self, shift, dtype):
        """Return them as ``SparseTiles`` about a shift, multiplied in a type."""
        (values,), (rows,), heads = (each.array for each in self._arrays)
        held = values, rows, heads[: len(self.counts)]
        return SparseTiles(held, self.counts, shift, dtype, self._kernels)


class SparseCovariance(InMemoryCovariance):
    """As ``InMemoryCovariance``, of sparse rows. The mean is taken off products, not values: what
    rounds is as large as the values are.
    """

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        centring, mean = self.centring, self._tiles.shift
        size = 1 + centring.count * float(mean @ mean) / float(centring.squares.sum())
        return ROUNDING[self.is_double] * size


def load(resources, is_double, plan, resumed):
    """Return the covariance of sparse rows: one rank of each node reads a shard.

    Collective; nothing ``resumed`` is of use.
    """
    source, exchange, counters = resources.source, resources.exchange, resources.counters
    place, interrupt = (exchange.grid.shards, exchange.shard), exchange.interrupt

    def read(is_double, former=None):
        if former:
            former.release()
        if is_double:
            source.be_exact()
        kind = work_type(source.dtype, False)
        with exchange.agreed():
            stored, rows = size_of_shard(source, *place)
        held, largest = Held(resources, stored, rows, kind), [0.0]
        with exchange.agreed():
            if held.node.rank == 0:
                held.fill(_checked(source, place, counters, largest, interrupt.requested))
        held.fence()
        interrupt.stop_if(interrupt.requested())
        counters.reads += 1
        exponent = exponent_of(exchange.maximum(largest[0]), kind)
        work = work_type(source.dtype, is_double)
        with counters.time("apply"):
            tiles = held.tiles(None, work)
            if held.node.rank == 0:
                tiles.values[: tiles.starts[-1]] *= kind.type(np.ldexp(1.0, -exponent))
            held.fence()
            centring = _measured(tiles, rows, resources)
            shift = centring.shift
            is_constant = (centring.squares == 0) & (shift != 0)
            if is_constant.any():  # nothing of them may be left by rounding
                shift = np.where(is_constant, 0, shift)
                if held.node.rank == 0:
                    tiles.clear(is_constant)
                held.fence()
        centring.exponent, centring.work = exponent, work
        centring.shift = np.ldexp(centring.shift, exponent)
        centring.check_variance()
        return held, held.tiles(shift, work), centring

    rounded = source.view.is_rounded
    return SparseCovariance(read, is_double, exchange, counters, resources.team, rounded=rounded)


def _checked(source, place, counters, largest, halt):
    """Yield the blocks of a shard; ``largest[0]`` becomes max |value|."""
    for block in stored_blocks(source, place, counters, halt):
        largest[0] = np.maximum(largest[0], source.check_finite(block))
        yield block


def _measured(tiles, rows, resources):
    """The ``Centring`` at the mean of all ranks' rows, in the units of the tiles' values.

    Collective.
    """
    exchange, d = resources.exchange, tiles.width
    is_mine = exchange.group_number == 0  # each group holds all rows: count them once
    count, mean = int(exchange.sum(np.array([float(rows * is_mine)]))[0]), np.zeros(d)
    for _ in range(2):  # then about the mean, so that nothing cancels
        sums = np.zeros((3, d))
        if is_mine:
            tiles.add_sums(mean, sums)
        stored, first, squares = exchange.sum(sums)
        if resources.is_centred and not mean.any():
            mean = first / count
    squares += (count - stored) * mean**2
    squares[squares <= count * (ROUNDED * mean) ** 2] = 0  # every value the same
    centring = Centring(mean, 0, mean.dtype, resources.kernels, is_centred=resources.is_centred)
    return replace(centring, offset=np.zeros(d), count=count, squares=squares)


def refusal(job):
    """Why it is not for the data of a job, or None."""
    return "the data are not sparse; leave it out" if job.stored is None else None


def cost(job):
    """Return the ``Plan`` of a job whose stored values are held in memory."""
    shards, passes, kind = job.shards or job.ranks, job.passes, work_type(job.dtype, False)
    step = rows_of_tile(job.stored // shards, job.n // shards, job.d)
    heads = 4 * (job.d + 1) * -(-job.n // step)
    rows = (kind.itemsize + row_type(step).itemsize) * job.stored + heads
    held = rows * min(shards, job.ranks_on_node) // shards
    columns = -(-job.panel * shards // job.ranks)  # of a group
    vectors = columns * (job.d * (job.work.itemsize + 16) + step * job.work.itemsize)
    held += job.ranks_on_node * (job.threads * vectors + PIECE_BYTES)
    rate = RATE * job.rates.skinny(job.work.itemsize) * job.cores
    each = 4 * job.stored * job.panel * job.published / rate
    first = rows / job.rates.read + rows / job.rates.touch
    first += CONVERTED * job.stored / (job.rates.convert * job.cores)
    return Plan(
        "sparse",
        shards,
        held,
        first + passes * each + algebra_seconds(job),
        passes * job.n * job.d // shards,
    )


register("sparse", load, cost, refusal=refusal, samples="holds")
