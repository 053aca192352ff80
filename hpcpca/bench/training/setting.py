"""What adapters are trained for: a frozen network, and what it is to learn."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from .tasks import JUDGED
from .training import order_of


@dataclass(frozen=True)
class Setting:
    """``loss(weights, *inputs)`` and ``right(weights, *inputs)``, how many examples are right; the
    frozen ``weights`` and the ``modules`` that get pairs; examples to learn from, ``batch`` at a
    time, and others to judge by.
    """

    loss: Callable
    right: Callable
    weights: dict
    modules: tuple
    examples: object  # with len() and take(rows), the inputs
    others: object
    batch: int
    seed: int

    @property
    def in_epoch(self):
        """How many batches are in an epoch."""
        return len(self.examples) // self.batch

    def batches(self, epochs, steps=None):
        """Yield the inputs of ``epochs``, in an order by the seed; ``steps``: of an epoch at
        most.
        """
        for epoch in range(epochs):
            order = order_of(self.seed, epoch, len(self.examples))
            for step in range(min(self.in_epoch, steps or self.in_epoch)):
                yield self.examples.take(order[step * self.batch : (step + 1) * self.batch])

    def accuracy(self, weights):
        """How many of the others are right, in %, by weights or what stands in for them."""
        count, right = len(self.others), _compiled(self.right)
        parts = np.split(np.arange(count), range(JUDGED, count, JUDGED))
        return 100 * sum(int(right(weights, *self.others.take(rows))) for rows in parts) / count

    def prefixes(self, adapter):
        """Accuracies of the first 1, 2, … pairs of all modules: list."""
        most = max(adapter.ranks.values())
        return [self.accuracy(adapter.prefix(r).merged(self.weights)) for r in range(1, most + 1)]


_compiled = functools.cache(jax.jit)
