"""Setting A of the experiment on adapters: a perceptron that knows five classes of pictures learns
five others (as in One Rank at a Time, arXiv 2505.22602).
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from .networks import Layers, perceptron, surprise
from .tasks import CLASSES, JUDGED, SIDE, Pictures, fashion_mnist
from .training import order_of

SIDES = (SIDE * SIDE, 512, 512, CLASSES)
KNOWN, NEW = range(5), range(5, CLASSES)  # classes
BATCH, RATE = 64, 1e-3
BEFORE = 5  # epochs in which all weights learn the classes that are known


@dataclass(frozen=True)
class Setting:
    """``loss(weights, images, labels)``, the frozen ``weights``, the ``modules`` that get pairs,
    and pictures to learn from and to judge by.
    """

    weights: dict
    modules: tuple
    examples: Pictures
    others: Pictures
    seed: int

    def batches(self, epochs, steps=None):
        """Yield (images, labels) of ``epochs``, in an order by the seed; ``steps``: of an epoch at
        most.
        """
        count = len(self.examples) // BATCH
        for epoch in range(epochs):
            order = order_of(self.seed, epoch, len(self.examples))
            for step in range(min(count, steps or count)):
                yield self.examples.take(order[step * BATCH : (step + 1) * BATCH])

    def accuracy(self, weights):
        """How many of the others are right, in %, by weights or what stands in for them."""
        right = sum(
            int(_right(weights, *self.others.take(rows)))
            for rows in np.split(
                np.arange(len(self.others)), range(JUDGED, len(self.others), JUDGED)
            )
        )
        return 100 * right / len(self.others)

    def prefixes(self, adapter):
        """Accuracies of the first 1, 2, … pairs of all modules: list."""
        most = max(adapter.ranks.values())
        return [self.accuracy(adapter.prefix(r).merged(self.weights)) for r in range(1, most + 1)]


NETWORK = perceptron(SIDES)


def loss(weights, images, labels):
    """The mean loss of the perceptron."""
    return surprise(NETWORK.outputs(Layers(weights, {}), images), labels).mean()


@jax.jit
def _right(weights, images, labels):
    return (NETWORK.outputs(Layers(weights, {}), images).argmax(axis=1) == labels).sum()


@functools.cache
def known(seed, epochs=BEFORE, steps=None):
    """The weights {name: array} of the perceptron after training on the classes that are known."""
    setting = setting_of(NETWORK.start(seed), KNOWN, seed)
    return trained_whole(setting.weights, setting.batches(epochs, steps))


def setting_of(weights, classes, seed):
    """The ``Setting`` in which weights are to learn some classes."""
    examples, others = (_of_classes(each, classes) for each in fashion_mnist())
    weights = {name: np.asarray(each) for name, each in weights.items()}
    return Setting(weights, NETWORK.dense, examples, others, seed)


def _of_classes(pictures, classes):
    rows = np.isin(pictures.labels, list(classes))
    return Pictures(pictures.images[rows], pictures.labels[rows])


def trained_whole(weights, batches, rate=RATE):
    """All weights trained by Adam: {name: array}."""
    moments = tuple(jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    for number, batch in enumerate(batches):
        weights, moments = _adam_step(weights, moments, number + 1.0, rate, batch)
    return {name: np.asarray(each) for name, each in weights.items()}


@jax.jit
def _adam_step(weights, moments, number, rate, batch):
    slopes = jax.grad(loss)(weights, *batch)
    first, second = (
        jax.tree.map(lambda m, g: beta * m + (1 - beta) * g**power, each, slopes)
        for each, beta, power in zip(moments, (0.9, 0.999), (1, 2))
    )

    def moved(w, m, v):
        return w - rate * (m / (1 - 0.9**number)) / (jnp.sqrt(v / (1 - 0.999**number)) + 1e-8)

    return jax.tree.map(moved, weights, first, second), (first, second)
