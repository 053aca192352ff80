"""Which rank owns which workers, and how all of them are sent in one message."""

import numpy as np


class Layout:
    """The workers of N modules; those of module i publish b and f of q_i numbers each, and two
    figures.

    A worker stays with its rank. A new one goes to the rank that has the least to do.
    """

    def __init__(self, lengths, exchange):
        """``lengths`` are q_i (N)."""
        self._lengths, self._exchange = lengths, exchange
        self._loads = np.zeros(exchange.size)
        self._owners = [[] for _ in lengths]  # the rank of each worker, by module
        self._places = self._offsets = None

    def hire(self, i):
        """Add a worker to module i, behind those that it has; return its rank."""
        rank = int(self._loads.argmin())
        self._loads[rank] += self._lengths[i] ** 2
        self._owners[i].append(rank)
        self._places = None
        return rank

    def of(self, rank):
        """Return the numbers of a rank's workers: {module: (c)}."""
        found = {i: np.flatnonzero(np.array(each) == rank) for i, each in enumerate(self._owners)}
        return {i: each for i, each in found.items() if len(each)}

    @property
    def own(self):
        """Those of this rank."""
        return self.of(self._exchange.rank)

    def gathered(self, published):
        """Return what the workers of all ranks publish, as lists over modules: b (w_i, q_i),
        f (w_i, q_i), and two figures (w_i); ``published`` is {module: these} of this rank's own.
        Collective.
        """
        if self._places is None:
            self._arrange()
        parts = [part.reshape(-1) for each in published.values() for part in each]
        sent = np.concatenate(parts) if parts else np.zeros(0)
        flat = np.empty(len(self._places))
        flat[self._places] = self._exchange.gather_small(sent, self._offsets)
        return self._parted(flat)

    def _parted(self, flat):
        found: tuple = ([], [], [], [])
        start = 0
        for q, each in zip(self._lengths, self._owners):
            w = len(each)
            for kind, (size, shape) in zip(found, 2 * [(w * q, (w, q))] + 2 * [(w, (w,))]):
                kind.append(flat[start : start + size].reshape(shape))
                start += size
        return found

    def _arrange(self):
        """Find where what ranks send one after the other belongs among all modules'."""
        places, sizes = [], []
        starts = np.cumsum([0, *(len(w) * (2 * q + 2) for q, w in self._sizes())])
        for rank in range(self._exchange.size):
            before = sum(map(len, places))
            for i, own in self.of(rank).items():
                q, w = self._lengths[i], len(self._owners[i])
                rows = (own[:, None] * q + np.arange(q)).reshape(-1)
                parts = rows, w * q + rows, 2 * w * q + own, 2 * w * q + w + own
                places += [starts[i] + part for part in parts]
            sizes.append(sum(map(len, places)) - before)
        self._places = np.concatenate(places)
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])

    def _sizes(self):
        return zip(self._lengths, self._owners)
