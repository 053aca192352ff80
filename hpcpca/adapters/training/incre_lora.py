"""IncreLoRA (arXiv 2308.12043): pairs trained together, more where the weights matter most."""

import jax
import jax.numpy as jnp
import numpy as np

from ..layout import Layout
from .adam import RATE
from .checks import shapes_of
from .growth import Importance
from .lora import LoRA


class IncreLoRA(LoRA):
    """LoRA that grows as ``Growth`` says, by importance; see ``LoRA``."""

    def __init__(self, loss, weights, modules, growth, *, rate=RATE, seed=0):
        self.layout = Layout(shapes_of(weights, modules))
        self.growth, self.limits = growth, growth.limits(self.layout)
        self.ranks = np.ones(len(self.layout.names), int)
        self._importance = Importance(len(self.ranks))
        self._begin(loss, weights, int(self.limits.max()), rate, seed)

    def step(self, *batch):
        """Train on a batch, and grow if it is time."""
        may_grow = self.growth.affordable(self.layout, self.ranks).any()
        if may_grow:
            self._observe(jax.tree.map(jnp.asarray, batch))
        super().step(*batch)
        if may_grow and self.growth.is_due(self.steps):
            grown = self.growth.chosen(self.layout, self.ranks, self._importance.scores)
            self.ranks[grown] += 1

    def _observe(self, batch):
        held = self._held().astype(self.panel.dtype)
        slopes = self.network.slopes_of_weights(self.panel, held, batch)
        adapter = self.adapter
        self._importance.observe(
            np.array(
                [
                    np.abs(adapter.change(name) * slopes[name]).sum() / np.sqrt(slopes[name].size)
                    for name in self.layout.names
                ]
            )
        )
