"""Parallel analysis: what eigenvalues rows would have whose columns have nothing in common.

Horn (1965) permutes every column; here every deviation gets a random sign, which leaves its size
and, unlike permutations, needs no other row (Hong, Sheng and Dobriban, 2023).
"""

import numpy as np

from ..rng import stream
from ..sources.rows import blocks_of_shard

FLIPS = 0xF11B  # key of the random signs
TRIALS, PERCENTILE = 20, 95
CHUNK = 256  # rows whose signs are drawn together, numbered over all: whatever ranks there are
PIECE_BYTES = 16 << 20  # read at a time


def noise_levels(source, world, counters, mean, seed, *, room):
    """Return the eigenvalues that the first, second, … of rows without correlations stay below in
    ``PERCENTILE`` of 100 cases: (d), largest first, on all ranks. ``room``: bytes a rank may use.
    Collective.
    """
    d, found = source.d, []
    at_once = max(1, min(TRIALS, room // (8 * d * d) - 2))
    for first in range(0, TRIALS, at_once):
        trials = range(first, min(TRIALS, first + at_once))
        totals = np.zeros((len(trials), d, d))
        with world.agreed():
            for block in blocks_of_shard(source, (world.size, world.rank), PIECE_BYTES, counters):
                _add(source, block, mean, seed, trials, totals=totals)
        counters.reads += 1
        for total in totals:
            world.total(total)
            found.append(world.decide(lambda: np.linalg.eigvalsh(total)[::-1] / (source.n - 1)))
    return np.percentile(found, PERCENTILE, axis=0)


def _add(source, block, mean, seed, trials, *, totals):
    """Add to ``totals`` (t, d, d) the products of a block's deviations with random signs."""
    roots = source.roots_of(block)
    first = block.first
    while first < block.stop:
        chunk, skipped = divmod(first, CHUNK)
        stop = min(block.stop, (chunk + 1) * CHUNK)
        rows = block.rows[first - block.first : stop - block.first] - mean
        if roots is not None:
            rows *= roots[first - block.first : stop - block.first, None]
        for trial, total in zip(trials, totals):
            drawn = stream(seed, FLIPS, trial, chunk).random((CHUNK, source.d), np.float32) < 0.5
            flipped = np.where(drawn[skipped : skipped + len(rows)], rows, -rows)
            total += flipped.T @ flipped
        first = stop
