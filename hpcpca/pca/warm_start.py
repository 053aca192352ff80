"""Start vectors from sampled rows."""

from ..methods.warm_start import sampled_rows, warm_start


def warmed(context, method, operator, vectors):
    """Return better start vectors (own, d) from a sample of the rows, or None if that does not
    pay. Collective.
    """
    source, exchange = context.data, context.exchange
    ranges = sampled_rows(source.n, method.count, context.config.seed)
    if not ranges:
        return None
    first, last = source.blocks.shard(exchange.grid.shards, exchange.shard)
    low, high = source.blocks.edges[[first, last]]
    mine = [(max(a, low) - low, min(b, high) - low) for a, b in ranges if a < high and b > low]
    share = sum(b - a for a, b in ranges) / source.n
    return warm_start(method, operator.sampled(mine, share), vectors)
