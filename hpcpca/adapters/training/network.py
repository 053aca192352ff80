"""A frozen network with pairs beside its weights: its losses, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from .low_rank_sum import LowRankSum


class Network:
    """``loss(weights, *batch)`` with pairs beside the matrices of ``layout``; compiled.

    ``weights`` {name: array} stay as they are; the loss computes ``x @ W.T`` with those that have
    pairs. A panel is (rows, length) as ``Layout`` says; ``seen`` (rows, N) weighs its pairs by
    module: 1, 0 for those that are not there, or a share between.
    """

    def __init__(self, loss, weights, layout):
        self.layout, self.weights = layout, jax.tree.map(jnp.asarray, weights)
        self._loss = loss
        # Pairs are float32 at least, beside weights of half that size too.
        held = (self.weights[name].dtype for name in layout.names)
        self.dtype = np.dtype(jnp.result_type(jnp.float32, *held))
        self._of_worker = jax.jit(jax.grad(self._with_own))
        self._of_all = jax.jit(jax.value_and_grad(self._with_all))
        self._of_shares = jax.jit(jax.grad(self._with_all, argnums=1))
        self._whole = jax.jit(jax.grad(self._with_added))

    def slopes_of_worker(self, k, panel, seen, batch):
        """Gradient (length) of row k's pairs in the network with them and the superiors ``seen``,
        among which row k must not be.
        """
        return self._of_worker(panel[k], panel, seen, self.weights, batch)

    def slopes_of_all(self, panel, seen, batch):
        """(Loss, gradient (rows, length)) in the network with all pairs that are ``seen``."""
        return self._of_all(panel, seen, self.weights, batch)

    def slopes_of_shares(self, panel, seen, batch):
        """Gradient (rows, N) by the shares ``seen``."""
        return self._of_shares(panel, seen, self.weights, batch)

    def slopes_of_weights(self, panel, seen, batch):
        """{module: gradient (q, d) of its weights} with the pairs that are ``seen``."""
        added = {name: jnp.zeros_like(self.weights[name]) for name in self.layout.names}
        return self._whole(added, panel, seen, self.weights, batch)

    def _with_own(self, own, panel, seen, weights, batch):
        own = self.layout.parts(own)
        there = {
            name: (
                jnp.concatenate([a, own[name][0][None]]),
                jnp.concatenate([b, own[name][1][None]]),
            )
            for name, (a, b) in self._there(panel, seen).items()
        }
        return self._loss(with_pairs(weights, there), *batch)

    def _with_all(self, panel, seen, weights, batch):
        return self._loss(with_pairs(weights, self._there(panel, seen)), *batch)

    def _with_added(self, added, panel, seen, weights, batch):
        changed = {name: weights[name] + each for name, each in added.items()}
        return self._with_all(panel, seen, {**weights, **changed}, batch)

    def _there(self, panel, seen):
        """{module: (a, b)}, b weighed."""
        parts = self.layout.parts(panel)
        return {
            name: (a, b * seen[:, number, None])
            for number, (name, (a, b)) in enumerate(parts.items())
        }


def with_pairs(weights, pairs):
    """Return ``weights`` with pairs {module: (a (r, d), b (r, q))} beside those of modules, which
    are multiplied in the type of these.
    """
    beside = {}
    for name, each in pairs.items():
        held = weights[name]
        beside[name] = LowRankSum(held, *(side.astype(held.dtype) for side in each))
    return {**weights, **beside}
