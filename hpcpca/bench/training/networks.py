"""Networks for images and for text in JAX, and their gradients, or statistics of dense layers in
place of gradients (arXiv 2102.09631).
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SMALL = 1e-5  # beside the mean square in a normalisation
CONVOLUTION = ("NHWC", "OIHW", "NHWC")


class Layers:
    """The layers of a network with its parameters.

    ``inputs`` {name: (N, m)} are those of the dense layers. To their outputs ``taps`` {name: (N,
    n)} are added: zeros, by which one differentiates.
    """

    def __init__(self, parameters, taps):
        self.parameters, self.taps, self.inputs = parameters, taps, {}

    def dense(self, name, a):
        """A·Wᵀ, and the bias if there is one."""
        weights = self.parameters[name]
        self.inputs[name] = rows = a.reshape(-1, weights.shape[1])
        z = rows @ weights.T
        if name in self.taps:
            z = z + self.taps[name]
        z = z + self.parameters.get(f"{name} bias", 0)
        return z.reshape(*a.shape[:-1], len(weights))

    def convolution(self, name, a):
        """Kernels (out, in, 3, 3), every second pixel."""
        kernels = self.parameters[name]
        z = lax.conv_general_dilated(a, kernels, (2, 2), "SAME", dimension_numbers=CONVOLUTION)
        return z + self.parameters[f"{name} bias"]

    def normalised(self, name, a):
        """Each row with mean 0 and mean square 1, times the gain."""
        a = a - a.mean(-1, keepdims=True)
        scale = lax.rsqrt((a * a).mean(-1, keepdims=True) + SMALL)
        return a * scale * self.parameters[f"{name} gain"]


@dataclass(frozen=True)
class Network:
    """``shapes`` {name: shape} of the parameters; ``outputs(layers, inputs)`` (N, classes);
    ``dense``: names of the dense layers.
    """

    shapes: dict
    outputs: Callable
    dense: tuple

    def start(self, seed):
        """Return parameters to start from, float32: gains 1, biases 0, others random."""
        random = np.random.default_rng([seed, 1])
        return {name: _first(random, name, shape) for name, shape in self.shapes.items()}


def _first(random, name, shape):
    if len(shape) == 1:
        return np.full(shape, float(name.endswith("gain")), np.float32)
    scale = np.sqrt(2 / np.prod(shape[1:]))
    return (scale * random.standard_normal(shape)).astype(np.float32)


def perceptron(sides):
    """A multilayer perceptron on images: sides[0] inputs, hidden layers, classes."""
    names = [f"dense {i + 1}" for i in range(len(sides) - 1)]
    shapes = {}
    for name, m, n in zip(names, sides, sides[1:]):
        shapes |= {name: (n, m), f"{name} bias": (n,)}

    def outputs(layers, images):
        a = _grey(images)
        for name in names[:-1]:
            a = jax.nn.relu(layers.dense(name, a))
        return layers.dense(names[-1], a)

    return Network(shapes, outputs, tuple(names))


def convolutional(side, channels, hidden, classes):
    """Two convolutions with so many ``channels``, a hidden dense layer, and the classes; for
    images of side × side pixels.
    """
    first, second = channels
    size = second * (-(-side // 4)) ** 2
    shapes = {
        "convolution 1": (first, 1, 3, 3),
        "convolution 1 bias": (first,),
        "convolution 2": (second, first, 3, 3),
        "convolution 2 bias": (second,),
        "dense 1": (hidden, size),
        "dense 1 bias": (hidden,),
        "dense 2": (classes, hidden),
        "dense 2 bias": (classes,),
    }

    def outputs(layers, images):
        a = _grey(images).reshape(-1, side, side, 1)
        for name in ("convolution 1", "convolution 2"):
            a = jax.nn.relu(layers.convolution(name, a))
        a = jax.nn.relu(layers.dense("dense 1", a.reshape(len(a), -1)))
        return layers.dense("dense 2", a)

    return Network(shapes, outputs, ("dense 1", "dense 2"))


def attention(symbols, length, width, *, blocks, heads):
    """A network that says the next symbol after each of ``length``: ``blocks`` of causal attention
    and a perceptron, on vectors of ``width``.
    """
    shapes = {"symbols": (symbols, width), "places": (length, width)}
    dense = []
    for i in range(blocks):
        sizes = dict.fromkeys(("queries", "keys", "values", "mixed"), (width, width))
        sizes |= {"wide": (4 * width, width), "narrow": (width, 4 * width)}
        sizes = {f"{kind} {i + 1}": shape for kind, shape in sizes.items()}
        gains = {f"{kind} {i + 1} gain": (width,) for kind in ("attention", "perceptron")}
        shapes |= sizes | gains
        dense += sizes
    shapes |= {"last gain": (width,), "next": (symbols, width)}

    def outputs(layers, text):
        a = layers.parameters["symbols"][text] + layers.parameters["places"]
        for i in range(blocks):
            a = a + _attended(layers, i + 1, layers.normalised(f"attention {i + 1}", a), heads)
            inner = layers.dense(f"wide {i + 1}", layers.normalised(f"perceptron {i + 1}", a))
            a = a + layers.dense(f"narrow {i + 1}", jax.nn.relu(inner))
        return layers.dense("next", layers.normalised("last", a)).reshape(-1, symbols)

    return Network(shapes, outputs, (*dense, "next"))


def _attended(layers, number, a, heads):
    count, length, width = a.shape
    q, k, v = (
        layers.dense(f"{kind} {number}", a).reshape(count, length, heads, -1)
        for kind in ("queries", "keys", "values")
    )
    scores = jnp.einsum("bthd,bshd->bhts", q, k) * (heads / width) ** 0.5
    seen = jnp.tril(jnp.ones((length, length), bool))
    shares = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    mixed = jnp.einsum("bhts,bshd->bthd", shares, v).reshape(count, length, width)
    return layers.dense(f"mixed {number}", mixed)


def _grey(images):
    return images.astype(jnp.float32) / 255


class Differentiated:
    """A network's compiled functions.

    ``gradients(parameters, inputs, targets)``: {name: gradient} of the mean loss.
    ``statistics(…)``: the same, but (D, A) of dense layers, with DᵀA/N the gradient.
    ``judged(…)``: the sum of losses, and how many predictions are right.
    """

    def __init__(self, network):
        self.network = network
        self.gradients = jax.jit(jax.grad(lambda *given: self._loss({}, *given)[0]))
        self.statistics = jax.jit(self._statistics)
        self.judged = jax.jit(self._judged)

    def _loss(self, taps, parameters, inputs, targets):
        """The mean of the losses, and the inputs of the dense layers."""
        layers = Layers(parameters, taps)
        outputs = self.network.outputs(layers, inputs)
        return surprise(outputs, targets).mean(), layers.inputs

    def _statistics(self, parameters, inputs, targets):
        dense = {name: parameters[name] for name in self.network.dense}
        others = {name: each for name, each in parameters.items() if name not in dense}
        rows = jax.eval_shape(self._loss, {}, parameters, inputs, targets)[1]
        taps = {name: jnp.zeros((len(rows[name]), len(each))) for name, each in dense.items()}

        def loss(taps, others):
            return self._loss(taps, dense | others, inputs, targets)

        (d, found), kept = jax.grad(loss, argnums=(0, 1), has_aux=True)(taps, others)
        return found | {name: (len(kept[name]) * d[name], kept[name]) for name in dense}

    def _judged(self, parameters, inputs, targets):
        outputs = self.network.outputs(Layers(parameters, {}), inputs)
        right = outputs.argmax(axis=1) == targets.reshape(-1)
        return surprise(outputs, targets).sum(), right.sum()


def surprise(outputs, targets):
    """−log of the probability of each target."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs), targets.reshape(-1, 1), axis=1)
    return -chosen[:, 0]
