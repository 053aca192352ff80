"""Pairs of many modules side by side: worker k's are row k of a panel."""

import numpy as np

from ..rng import stream
from .adapter import Adapter

SPREAD = 0.01  # standard deviation of what a starts from; b starts from zero


class Layout:
    """Where the pairs of modules {name: (q, d)} stand in a row: a and b of the first module, of the
    second, and so on; ``length`` numbers in all. N modules; d inputs, q outputs.
    """

    def __init__(self, shapes):
        self.names = tuple(shapes)
        self.sides = [(shape[1], shape[0]) for shape in shapes.values()]  # (d, q)
        self.costs = np.array([d + q for d, q in self.sides])  # parameters of a pair
        self.length = int(self.costs.sum())
        self.groups = np.repeat(np.arange(len(self.sides)), self.costs)  # module of each column
        self._edges = np.concatenate([[0], np.cumsum(self.costs)])

    def parts(self, rows):
        """Return {name: (a (…, d), b (…, q))}, views of ``rows`` (…, length)."""
        return {
            name: (rows[..., at : at + d], rows[..., at + d : at + d + q])
            for name, at, (d, q) in zip(self.names, self._edges, self.sides)
        }

    def span(self, number):
        """Slice of the columns of a module."""
        return slice(int(self._edges[number]), int(self._edges[number + 1]))

    def start(self, seed, number, pair, dtype):
        """What pair ``pair`` of a module starts from: a small, b zero; keyed by these numbers."""
        d, q = self.sides[number]
        row = np.zeros(d + q, dtype)
        row[:d] = SPREAD * stream(seed, number, pair).standard_normal(d)
        return row

    def panel(self, seed, rows, dtype=np.float32):
        """Return such starts for ``rows`` pairs of every module: (rows, length)."""
        numbers = range(len(self.names))
        return np.array(
            [np.concatenate([self.start(seed, i, k, dtype) for i in numbers]) for k in range(rows)]
        )

    def adapter(self, panel, ranks):
        """Return the ``Adapter`` of the first ranks[i] rows for module i."""
        parts = self.parts(panel)
        return Adapter(
            {
                name: tuple(side[:r].copy() for side in parts[name])
                for name, r in zip(self.names, ranks)
            }
        )
