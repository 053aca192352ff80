"""EM for PCA of rows with missing values: rows are completed by the components, and those are taken
of the completed rows, until neither changes.
"""

from dataclasses import dataclass
from time import monotonic

import numpy as np

from ..linalg.orth import orthonormal_rows
from ..planning.machine import available_memory
from ..rng import stream
from ..sources.completion import Model
from ..sources.rows import blocks_of_shard
from ..sources.watch import FIRST

START = 0x0E3  # key of the random start vectors
GUARDS = 8  # vectors beside the components: they part these from the rest
MOST = 2000  # readings
PIECE_BYTES = 16 << 20  # read at a time
TILE_BYTES = 4 << 20  # in float64 at a time


@dataclass(frozen=True)
class Completion:
    """The ``model`` that fits what is known; how many ``readings`` it took; and how far it may be
    from where it would end: ``error``, a sine.
    """

    model: Model
    readings: int
    error: float


class Em:
    """One reading after the other of a source with NaN, shared out over the ranks. Collective.

    ``memory``: bytes per node that may be used; default: what is free.
    """

    def __init__(self, source, world, counters, memory=None):
        self.source, self.world, self.counters = source, world, counters
        memory = memory or min(world.comm.allgather(available_memory()))
        room = memory // (4 * world.node.size)
        self._kept = [] if source.bytes // world.size <= room else None
        self._is_kept = False

    def _blocks(self):
        """This rank's rows, kept in memory after the first time if they fit."""
        if self._is_kept:
            yield from self._kept
            return
        place = self.world.size, self.world.rank
        for block in blocks_of_shard(self.source, place, PIECE_BYTES, self.counters):
            if self._kept is not None:
                self._kept.append(block.rows.copy())
            yield block.rows
        self._is_kept = self._kept is not None
        self.counters.reads += 1

    def moments(self):
        """Means (d) of the values that are there, of all ranks."""
        sums = np.zeros((2, self.source.d))
        with self.world.agreed():
            for rows in self._blocks():
                known = ~np.isnan(rows)
                sums[0] += np.nansum(rows, axis=0, dtype=np.float64)
                sums[1] += known.sum(axis=0)
        sums = self.world.total(sums)
        return sums[0] / np.maximum(sums[1], 1)

    def step(self, model, panel):
        """Return the mean of the rows that the model completes, and the images of ``panel`` (p, d)
        under their covariance, times the number of rows.
        """
        d, count = self.source.d, len(panel)
        total = np.zeros((count + 1, d))
        step = max(1, TILE_BYTES // (8 * d))
        with self.world.agreed():
            for rows in self._blocks():
                for start in range(0, len(rows), step):
                    tile = rows[start : start + step].astype(np.float64)
                    model.complete(tile)
                    tile -= model.mean
                    total[:count] += (tile @ panel.T).T @ tile
                    total[count] += tile.sum(axis=0)
        total = self.world.total(total)
        offset = total[count] / self.source.n
        images = total[:count] - self.source.n * np.outer(panel @ offset, offset)
        return model.mean + offset, images


def completed(source, context, *, known=None, at_rest=None):
    """Return the ``Completion`` of a source whose rows have NaN; ``known`` is a ``Model`` to begin
    with. ``at_rest(completion)`` is told of it after every reading, when Interrupted may be raised.
    Collective.
    """
    world, counters, config, say = context.world, context.counters, context.config, context.say
    em, count = Em(source, world, counters, config.memory), config.components
    width = min(count + GUARDS, source.d)
    panel = orthonormal_rows(stream(config.seed, START).standard_normal((width, source.d)))
    mean = em.moments()
    if known is not None:
        panel[:count], mean = known.components, known.mean
        panel = orthonormal_rows(panel)
    model = Model(mean, np.zeros((0, source.d)) if known is None else known.components)
    change = error = np.inf
    said = monotonic()
    for reading in range(1, MOST + 1):
        mean, images = em.step(model, panel)
        # right singular vectors of the images, which the panel turns to
        _, _, found = np.linalg.svd(images, full_matrices=False)
        before, panel = model.components, found
        model = Model(mean, found[:count])
        last, change = change, _sine(before, model.components)
        rate = min(change / last, 1.0) if np.isfinite(last) and last > 0 else 1.0
        error = change if rate < 0.5 else change * rate / max(1 - rate, 1e-3)
        if monotonic() - said > FIRST:
            said = monotonic()
            say(f"missing values: reading {reading}, components change by {change:.1e}")
        if error <= config.tol:
            break
        if at_rest is not None:
            at_rest(Completion(model, reading, float(error)))
        world.interrupt.stop_if(world.interrupt.requested())
    return Completion(model, reading, float(error))


def _sine(before, after):
    """Sine of the largest angle between two sets of orthonormal vectors; 1, if they are of
    different sizes.
    """
    if len(before) != len(after):
        return 1.0
    gap = after - (after @ before.T) @ before
    return float(min(1.0, np.linalg.norm(gap, 2)))


def tell(found, tol, say):
    """Say how near a ``Completion`` is to where it would end, and warn if that is not ``tol``."""
    how = f"components are within {found.error:.1e} of where this ends"
    say(f"missing values: {found.readings} readings; {how}")
    if found.error > tol:
        say(
            f"hpcpca: warning: that is more than --tol {tol:g}, and no more readings are made: ask"
            " for fewer components, or for less accuracy"
        )
