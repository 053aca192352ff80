"""Σ of sampled rows: for start vectors, and for correction equations."""

from ..methods.warm_start import sampled_rows


def sample_of(context, operator, wanted=None):
    """Return Σ of ``wanted`` sampled rows as an operator, or of as many as a warm start is worth;
    None if that does not pay. Collective.

    An operator that leaves rows in the files takes those it has sampled for its shift.
    """
    source, exchange = context.data, context.exchange
    numbers = sampled_rows(source.n, context.panel, context.config.seed, wanted)
    if not len(numbers):
        return None
    first, last = source.blocks.shard(exchange.grid.shards, exchange.shard)
    low, high = source.blocks.edges[[first, last]]
    mine = numbers[(low <= numbers) & (numbers < high)] - low
    return operator.sampled(mine, len(numbers) / source.n)
