"""Schemes that send some entries of every matrix (as compared with in arXiv 1905.13727): a random
block, random ones, the largest.

All send as many entries as ``PowerSGD`` sends numbers, (n + m)·r.
"""

from zlib import crc32

import numpy as np

from ..rng import stream
from .matrices import Entries, MatrixCompressor


class _SomeEntries(MatrixCompressor):
    """Sends some entries of G + E, and keeps the others."""

    def __init__(self, comm, rank=2, feedback="local", **options):
        """Collective. ``options``: start, least and seed, as of ``MatrixCompressor``."""
        super().__init__(comm, rank, feedback=feedback, **options)

    def _count(self, delta):
        return min(delta.n * delta.m, (delta.n + delta.m) * self._rank_of(delta.form))


class _SharedEntries(_SomeEntries):
    """All workers send the same entries, so that these can be summed on the way."""

    def _exchange(self, deltas):
        whole = [array.reshape(-1) for array in self._sums(deltas)]
        with self.tally.part("selection"):
            chosen = [self._chosen(delta) for delta in deltas]
            own = [array[entries] for array, entries in zip(whole, chosen)]
        means = self.messages.mean(own)
        return [
            Entries(_spread(delta, entries, mean), self._local(_spread(delta, entries, mine)))
            for delta, entries, mean, mine in zip(deltas, chosen, means, own)
        ]

    def _chosen(self, delta):
        raise NotImplementedError

    def _numbers(self, delta):
        return stream(self.seed, crc32(delta.name.encode()), self.step)


class RandomBlock(_SharedEntries):
    """Sends a block of entries that follow each other, at a random place."""

    def _chosen(self, delta):
        size = delta.n * delta.m
        first = int(self._numbers(delta).integers(size))
        return (first + np.arange(self._count(delta))) % size


class RandomK(_SharedEntries):
    """Sends random entries."""

    def _chosen(self, delta):
        return self._numbers(delta).choice(delta.n * delta.m, self._count(delta), replace=False)


class TopK(_SomeEntries):
    """Sends a worker's entries of largest magnitude, with where they stand."""

    def _exchange(self, deltas):
        whole = [array.reshape(-1) for array in self._sums(deltas)]
        with self.tally.part("selection"):
            chosen = [self._largest(delta, array) for delta, array in zip(deltas, whole)]
            own = [array[entries] for array, entries in zip(whole, chosen)]
        values, places = self.messages.gather(own), self.messages.gather(chosen)
        return [
            Entries(
                _spread(delta, entries.reshape(-1), numbers.reshape(-1)) / len(numbers),
                self._local(_spread(delta, mine, mine_values)),
            )
            for delta, entries, numbers, mine, mine_values in zip(
                deltas, places, values, chosen, own
            )
        ]

    def _largest(self, delta, array):
        count = self._count(delta)
        places = np.argpartition(np.abs(array), array.size - count)[array.size - count :]
        return places.astype(np.uint32 if array.size <= 1 << 32 else np.uint64)


def _spread(delta, entries, values):
    """Return the matrix (n, m) that has ``values`` in ``entries``, summed if one comes twice."""
    matrix = np.zeros(delta.n * delta.m, delta.form.work)
    np.add.at(matrix, entries, values)
    return matrix.reshape(delta.n, delta.m)
