"""How many components: as many as explain a share of the variance, or as stand out of noise.

All eigenvalues of Σ are found for it, in a reading of its own.
"""

import numpy as np

from ..errors import NotAchieved, UsageError, on_all_ranks
from ..linalg.noise import edge, hard_threshold
from ..planning.machine import available_memory
from ..sources.rows import blocks_of_shard
from ..units import format_size
from .parallel_analysis import noise_levels

PIECE_BYTES = 16 << 20  # read at a time
TILE_BYTES = 8 << 20  # in float64 at a time
THRESHOLDS = {"auto": hard_threshold, "edge": edge}
RULES = {
    "auto": "the optimal hard threshold",
    "edge": "the edge of noise",
    "parallel": "parallel analysis",
}


def chosen(source, world, counters, config):
    """Return (K, why) for what -k of ``config`` asks for: a share of the variance, or one of
    ``RULES``.

    Raises on all ranks if Σ is too large, or nothing stands out. Collective.
    """
    d, asked, memory = source.d, config.components, config.memory
    with world.agreed():
        needed, room = 24 * d * d, (memory or available_memory()) // world.node.size
        if needed > room:
            raise UsageError(
                f"-k {asked} needs all eigenvalues, and Σ of {d} columns takes"
                f" {format_size(needed)} of {format_size(room)} a rank; give a number"
            )
    values, mean = _eigenvalues(source, world, counters)
    if isinstance(asked, float):
        shares = np.cumsum(values) / values.sum()
        count = int(np.searchsorted(shares, asked * (1 - 1e-12))) + 1
        return count, f"explain {100 * shares[count - 1]:.2f} % of the variance"
    name = RULES[asked]
    if asked == "parallel":
        levels = noise_levels(source, world, counters, mean, config.seed, room=room)[: len(values)]
    else:
        levels = THRESHOLDS[asked](values, source.n - 1, d)
    stands_out = np.append(values > levels, False)
    count = int(np.argmin(stands_out))  # those before the first that does not
    if not count:
        raise on_all_ranks(
            NotAchieved(f"-k {asked}: no component stands out by {name}; give a number")
        )
    return count, f"stand out by {name}"


def _eigenvalues(source, world, counters):
    """Those of Σ that can differ from zero, largest first, and the mean, on all ranks.

    Collective.
    """
    d, n = source.d, source.n
    total, sums, step = np.zeros((d, d)), np.zeros(d), max(1, TILE_BYTES // (8 * d))
    with world.agreed():
        shift = source.first_row().astype(np.float64)
        place, checked = (world.size, world.rank), [0.0, 0]
        for block in blocks_of_shard(source, place, PIECE_BYTES, counters, checked=checked):
            roots = np.ones(len(block)) if source.roots is None else source.roots_of(block)
            for start in range(0, len(block), step):
                rows = block.rows[start : start + step].astype(np.float64) - shift
                some = roots[start : start + step]
                rows *= some[:, None]
                total += rows.T @ rows
                sums += some @ rows
    world.total(total)
    mean = world.total(sums) / n

    def solved():
        sigma = total  # in place: as large as three of it is what there may be
        sigma -= n * np.outer(mean, mean)
        sigma /= n - 1
        values = np.linalg.eigvalsh(sigma)[::-1][: min(n - 1, d)]
        if not values[0] > 0:
            raise UsageError("the data have zero variance: every row is the same")
        return np.maximum(values, 0.0)

    return world.decide(solved), mean + shift
