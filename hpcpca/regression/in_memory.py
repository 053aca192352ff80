"""S by passes over rows that are held in memory, as ``operators/in_memory`` holds them."""

from ..operators.cost import Plan, algebra_seconds, convert_seconds, pass_seconds
from ..operators.in_memory import centred_tiles, held_rows
from ..operators.products import panel_product
from ..partition import span
from ..sources.block import Block, PairedRows
from ..sources.rows import load_shard, never, shard_rows
from .base import metric_of
from .by_rows import FittedByRows, build_seconds, held_bytes, products_of
from .sums import Reading
from .tiles import Across

PIECE_ROWS = 4096  # between looks for a request to stop


class HeldReading(Reading):
    """Reads this rank's shard into memory that the ranks of its node share; the sums are taken
    from there. ``held`` are the arrays of X and of Y.
    """

    held = ()

    def sums(self, is_double, earlier=None, known=None):
        """Return the ``Sums`` of all rows; nothing ``earlier`` is of use. Collective."""
        source, exchange, interrupt = self.source, self.exchange, self.exchange.interrupt
        for former in self.held:
            exchange.release(former)
        place = exchange.grid.shards, exchange.shard
        count = shard_rows(source, *place)
        self.held = [exchange.rows(count, side.d, side.dtype) for side in (source.x, source.y)]
        most, counters = [0.0, 0.0], self.resources.counters
        with exchange.agreed():
            if self.held[0].node.rank == 0 and count:
                most = load_shard(source, place, counters, self._rows(), interrupt.requested)
        for side in self.held:
            side.fence()
        interrupt.stop_if(interrupt.requested())
        counters.reads += 1
        self._most = [exchange.maximum(each) for each in most]
        return super().sums(is_double)

    def _rows(self):
        return PairedRows(*(side.array for side in self.held))

    def _blocks(self, done):
        """As in ``Reading``: of the rows in memory, which all groups have, this one's part."""
        rows, exchange = self._rows(), self.exchange
        start, end = span(len(rows), exchange.grid.groups, exchange.group_number)
        while start < end and not exchange.interrupt.requested():
            stop = min(end, start + PIECE_ROWS)
            yield Block(rows[start:stop], start), self._most
            start = stop

    def _count(self, share):
        self.resources.counters.passes += 1

    def _unfinished(self, *known):
        """Nothing is kept: a pass over memory is short enough to be done again."""
        return None

    def tiles(self, team):
        """Return the rows of X and of Y as tiles. Collective."""
        return [centred_tiles(*side, team) for side in zip(self.held, self.centrings)]


class InMemoryFitted(FittedByRows):
    """S from the rows of a group's shards."""

    def __init__(self, reading, metric, is_double):
        self._reading, resources = reading, reading.resources
        self._team = resources.team
        super().__init__(metric, is_double, resources.exchange, resources.counters)

    def _read(self, is_double):
        sums = self._reading.sums(is_double)
        self._tiles = self._reading.tiles(self._team)
        return sums, self._reading.centrings

    def _sum(self, panel, offsets, to_targets, half, may_stop):
        self._counters.passes += 1
        interrupt = self._exchange.interrupt
        sides = self._tiles if to_targets else self._tiles[::-1]
        halt = interrupt.requested if may_stop else never
        with self._counters.time("apply"):
            partial = panel_product(self._team, Across(*sides), panel, halt)
            interrupt.stop_if(halt())  # a pass over memory is short enough to be done again
            return self._exchange.reduce_to_owners(partial, offsets)


def load(resources, settings, plan, resumed):
    """Return the ``InMemoryFitted`` of the rows: one rank of each node reads a shard. Collective;
    nothing ``resumed`` is of use.
    """
    metric = metric_of(settings)
    products = products_of(metric, resources.source.d, settings.seed)
    reading = HeldReading(resources, is_centred=not settings.no_centre, products=products)
    return InMemoryFitted(reading, metric, settings.starts_in_double)


def cost(job):
    """Return the ``Plan`` of a job whose rows are held in memory."""
    shards, passes, joined = job.shards or job.ranks, job.passes, job.joined
    rows = held_rows(job, shards)
    converting = 2 * job.ranks // shards * convert_seconds(joined)
    # rows of the work type are centred once and for all
    is_converted = job.pair_bytes < joined.d * job.work.itemsize
    each = pass_seconds(joined) + converting * is_converted
    first = rows / job.rates.read + rows / job.rates.touch + build_seconds(job)
    return Plan(
        "in-memory",
        shards,
        rows + held_bytes(job, shards),
        first + (passes + 0.5) * each + algebra_seconds(job),
        (2 * passes * is_converted + 3) * job.n * joined.d // shards,
    )
