"""How fast this machine reads the data of a run."""

from dataclasses import replace

from ..planning.rates import cached_rates
from ..sources import rows as row_io

PROBED_FROM = 256 << 20  # bytes of data whose reading takes long enough to be timed
PROBE_BYTES = 48 << 20  # that each rank reads for it


def rates_of(context, operator):
    """Return rates of this machine; if the choice of an ``operator`` depends on it, all ranks read
    a piece of their shard to see how fast. Collective.
    """
    world, source = context.world, context.data
    rates = world.decide(cached_rates)
    is_known = source.stored is not None or source.bytes < PROBED_FROM
    if operator != "auto" or is_known:
        return rates
    if source.unmapped:
        return replace(rates, read=_probed(context, row_io.seconds_to_read))
    fetched = _probed(context, row_io.seconds_to_map)
    if fetched < rates.copy:  # from a disk, or a file system that maps slowly
        read = _probed(context, row_io.seconds_to_read)
    else:
        read = 1 / (1 / fetched + 1 / rates.copy)
    return replace(rates, map=fetched, read=read)


def _probed(context, probe):
    """Bytes a second of the slowest node, by what ``probe`` takes of each rank's shard."""
    world, source = context.world, context.data
    with world.agreed():
        seconds, count = probe(source, world.size, world.rank, PROBE_BYTES)
    context.counters.reads += world.comm.allreduce(count) / source.bytes
    on_node = world.node.allreduce(count) / max([1e-9, *world.node.allgather(seconds)])
    return max(1.0, min(world.comm.allgather(on_node)))
