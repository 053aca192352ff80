"""LoRA (arXiv 2106.09685): all pairs trained together, by one gradient a batch."""

import jax
import jax.numpy as jnp
import numpy as np

from ..layout import Layout
from .adam import RATE, Adam
from .checks import check_batch, check_finite, check_rate, ranks_of, shapes_of
from .network import Network


class LoRA:
    """Trains ``rank`` pairs beside the weights of ``modules``; see ``ParallelDeflation``.

    It is here to compare with, and works on one rank.
    """

    def __init__(self, loss, weights, modules, rank, *, rate=RATE, seed=0):
        self.layout = Layout(shapes_of(weights, modules))
        self.ranks = ranks_of(rank, self.layout)
        self._begin(loss, weights, int(self.ranks.max()), rate, seed)

    def _begin(self, loss, weights, rows, rate, seed):
        check_rate(rate)
        self.network, self.steps, self.applications = Network(loss, weights, self.layout), 0, 0
        self.panel = self.layout.panel(seed, rows, self.network.dtype)
        self.adam = Adam.of(self.panel, self.layout.groups, rate)

    def step(self, *batch):
        """Train on a batch; raise as ``ParallelDeflation`` does."""
        check_batch(batch, self.steps)
        batch = jax.tree.map(jnp.asarray, batch)
        held = self._held()
        _, slopes = self.network.slopes_of_all(self.panel, held.astype(self.panel.dtype), batch)
        check_finite(slopes, self.steps, batch)
        self.adam.step(self.panel, np.arange(len(self.panel)), np.asarray(slopes), held)
        self.steps, self.applications = self.steps + 1, self.applications + 1

    @property
    def adapter(self):
        """The ``Adapter`` as it is now."""
        return self.layout.adapter(self.panel, self.ranks)

    def close(self):
        """Nothing is held."""

    def _held(self):
        return np.arange(len(self.panel))[:, None] < self.ranks
