"""Stochastic gradient descent on means of compressed gradients (arXiv 1905.13727, Algorithm 2)."""

import numpy as np

from ..errors import DataError, UsageError
from .matrices import taken_from
from .tensors import as_array


class SGD:
    """Parameters, their momentum and the compressor that averages their gradients.

    Weight decay comes before the compression, momentum after it: m ← λm + Δ′. Then
    x ← x − γ(Δ′ + m), which is Algorithm 2.
    """

    def __init__(
        self,
        parameters,
        compressor,
        learning_rate,
        momentum=0.9,
        *,
        weight_decay=0.0,
        nesterov=None,
    ):
        """``parameters``: {name: array of floats}, changed in place if they are writable numpy
        arrays, copied otherwise. ``learning_rate``: a number, or a function of the step's.

        ``nesterov`` None: Algorithm 2; True: x ← x − γ(Δ′ + λm), False: x ← x − γm, as PyTorch has
        them.
        """
        if not 0 <= momentum < 1:
            raise UsageError(f"momentum = {momentum}: give a number from 0 to below 1")
        self.parameters = {name: _writable(name, array) for name, array in parameters.items()}
        self.compressor, self.learning_rate = compressor, learning_rate
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self._velocity = {name: np.zeros_like(array) for name, array in self.parameters.items()}
        self._mean = {name: np.empty_like(array) for name, array in self.parameters.items()}

    def step(self, gradients):
        """Average ``gradients`` {name: array} over the workers and take a step; return the
        parameters. Those that have no gradient stay as they are. Collective; raises DataError, and
        then nothing is changed.
        """
        number, rate = self.compressor.step, self.learning_rate
        gamma = rate(number) if callable(rate) else rate
        if self.weight_decay:
            gradients = {name: self._decayed(name, array) for name, array in gradients.items()}
        self.compressor.aggregate(gradients, self._mean)
        for name in gradients:
            self._move(self.parameters[name], self._velocity[name], self._mean[name], gamma)
        return self.parameters

    def _decayed(self, name, gradient):
        """The gradient with its weight decay; as it is if it does not fit, which is refused then
        on all workers.
        """
        try:
            array, own = as_array(name, gradient), self.parameters.get(name)
        except DataError:
            return gradient
        if own is None or array.shape != own.shape:
            return gradient
        return array + self.weight_decay * own

    def _move(self, x, m, mean, gamma):
        m *= self.momentum
        m += mean
        if self.nesterov is None:
            mean += m
        elif self.nesterov:
            mean += self.momentum * m
        else:
            mean = m
        x -= gamma * mean

    @property
    def world(self):
        """The workers."""
        return self.compressor.world

    def state(self):
        """Return {name: array}: the compressor's state, momentum and parameters."""
        return (
            self.compressor.state()
            | {f"momentum/{name}": array for name, array in self._velocity.items()}
            | {f"parameters/{name}": array for name, array in self.parameters.items()}
        )

    def restore(self, state):
        """Take up what ``state`` has returned."""
        self.compressor.restore(state)
        for kind, arrays in (("momentum", self._velocity), ("parameters", self.parameters)):
            for name, array in taken_from(state, f"{kind}/").items():
                arrays[name][...] = array


def _writable(name, tensor):
    array = as_array(name, tensor)
    return array if isinstance(tensor, np.ndarray) and array.flags.writeable else array.copy()
