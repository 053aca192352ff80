"""Setting A of the experiment on adapters: a perceptron that knows five classes of pictures learns
five others (as in One Rank at a Time, arXiv 2505.22602).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from .networks import Layers, perceptron, surprise
from .setting import Setting
from .tasks import CLASSES, SIDE, Pictures, fashion_mnist

SIDES = (SIDE * SIDE, 512, 512, CLASSES)
KNOWN, NEW = range(5), range(5, CLASSES)  # classes
BATCH, RATE = 64, 1e-3
BEFORE = 5  # epochs in which all weights learn the classes that are known


NETWORK = perceptron(SIDES)


def loss(weights, images, labels):
    """The mean loss of the perceptron."""
    return surprise(NETWORK.outputs(Layers(weights, {}), images), labels).mean()


def right(weights, images, labels):
    """How many of the labels are what the perceptron says."""
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
    given = {"loss": loss, "right": right, "modules": NETWORK.dense, "batch": BATCH}
    return Setting(weights=weights, examples=examples, others=others, seed=seed, **given)


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
