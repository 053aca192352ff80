"""Parallel deflation that finds the ranks of modules.

Beside its model every module trains a pair more, its reserve, against the whole model, which does
not see it (advance learning). The reserve that takes most off the loss, for its parameters, joins.
Then all reserves begin anew, since they were trained on what a poorer model left.
"""

from collections import deque

import jax
import jax.numpy as jnp
import numpy as np

from .adam import RATE
from .parallel_deflation import ParallelDeflation


class Discovery(ParallelDeflation):
    """As ``ParallelDeflation``, but ``growth`` says how many pairs modules get.

    The last row of the panel has the reserves, and one worker for them all. ``grown`` lists
    (batch, module, score).
    """

    def __init__(self, loss, weights, modules, growth, *, comm=None, rate=RATE, seed=0):
        """Collective; see ``ParallelDeflation``."""
        self.growth, self.grown = growth, []
        self._recent = deque(maxlen=growth.judged)  # batches to judge by
        options = {"growth": growth}
        self._start(loss, weights, modules, comm=comm, rate=rate, seed=seed, options=options)
        self._begin_reserves()

    def _rows(self):
        self.limits = self.growth.limits(self.layout)
        self.ranks = np.ones(len(self.layout.names), int)
        return int(self.limits.max()) + 1

    def step(self, *batch):
        """Train on a batch, and grow if it is time. Collective."""
        super().step(*batch)
        self._recent.append(jax.tree.map(jnp.asarray, batch))
        if self.growth.is_due(self.steps):
            self._grow()

    def _grow(self):
        if not self.growth.affordable(self.layout, self.ranks).any():
            return
        scores = self.gains() / self.layout.costs
        for number in self.growth.chosen(self.layout, self.ranks, scores):
            columns, rank = self.layout.span(number), self.ranks[number]
            self.panel[rank, columns] = self.panel[-1, columns]
            self.adam.move(-1, rank, number)
            self.ranks[number] += 1
            self.grown.append((self.steps, self.layout.names[number], float(scores[number])))
        self._begin_reserves()

    def gains(self):
        """What each reserve takes off the loss of the last batches: (N). Collective: ranks share
        out batches.

        Reserves are trained beside each other. All of them join by one and the same share, from 0
        to 1. A gain is the part of the loss that goes as the reserve's own share grows, by the
        trapezoidal rule from both ends: two gradients a batch, however many modules there are.
        """
        panel, open_ones = jnp.asarray(self.panel), self.growth.affordable(self.layout, self.ranks)
        model = self._held().astype(self.panel.dtype)
        full = model.copy()
        full[-1] = open_ones
        # A row for each batch, so that the sum is the same on any number of ranks.
        found = np.zeros((len(self._recent), len(open_ones)))
        for at in range(self.world.rank, len(found), self.world.size):
            for seen in (model, full):
                slopes = self.network.slopes_of_shares(panel, seen, self._recent[at])
                found[at] -= np.asarray(slopes[-1], float) / 2
        return np.where(open_ones, self.exchange.sum(found).mean(axis=0), 0.0)

    def _begin_reserves(self):
        for number, rank in enumerate(self.ranks):
            start = self.layout.start(self.seed, number, int(rank), self.panel.dtype)
            self.panel[-1, self.layout.span(number)] = start
            self.adam.forget(-1, number)

    def _held(self):
        held = super()._held()
        held[-1] = False
        return held

    def _working(self):
        working = self._held().any(axis=1)
        is_time = self.steps >= self.growth.warm_up - self.growth.every
        working[-1] = is_time and self.growth.affordable(self.layout, self.ranks).any()
        return working

    def _trained(self):
        trained = self._held()
        trained[-1] = self.growth.affordable(self.layout, self.ranks)
        return trained

    def _seen(self, k):
        below = np.arange(len(self.panel)) < k
        return self._held() & below[:, None]

    def _visible(self):
        return self.ranks
