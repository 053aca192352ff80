"""What the modules of a network receive, and what they lack: rows for regressions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ...files.modules import ModuleWriter


@dataclass(frozen=True)
class _Watched:
    """Weights (q, d) that note what they are multiplied with, in the place of an array."""

    name: str
    whole: jax.Array
    noted: dict  # {module: list of rows}

    @property
    def shape(self):
        return self.whole.shape

    def __len__(self):
        return len(self.whole)

    @property
    def T(self):
        return _Transposed(self)


@dataclass(frozen=True)
class _Transposed:
    """The transpose (d, q) of those."""

    of: _Watched

    def __rmatmul__(self, rows):
        self.of.noted.setdefault(self.of.name, []).append(rows)
        return rows @ self.of.whole.T


class Recording:
    """Inputs of ``modules``, and what their outputs lack to those in the network with the
    ``tuned`` weights. ``network(weights, *inputs)`` computes ``x @ W.T`` with theirs.

    ``biases`` {module: name of its bias in the weights}, of those that have one.
    """

    def __init__(self, network, frozen, tuned, modules, biases=None):
        self.modules, self.biases = tuple(modules), dict(biases or {})
        self.frozen, self.tuned = (jax.tree.map(jnp.asarray, each) for each in (frozen, tuned))
        self._network = network
        self._received, self._ends = jax.jit(self._watched), jax.jit(network)

    def order(self, *inputs):
        """The modules in the order in which the network uses them."""
        order = []

        def told(weights, *given):
            found = self._watched(weights, *given)
            order.extend(found)
            return found

        jax.eval_shape(told, self.frozen, *inputs)
        return tuple(order)

    def received(self, weights, *inputs):
        """{module: its inputs (n, d)} in the network with these weights."""
        return {name: np.asarray(each) for name, each in self._received(weights, *inputs).items()}

    def lacking(self, name, adapter, batches):
        """Yield (X, Y) of a module for each of ``batches``, tuples of the network's inputs: what
        it receives in the frozen network with ``adapter``, and what the frozen module's outputs
        lack there.
        """
        weights = self.adapted(adapter)
        for inputs in batches:
            there = self._outputs(self.tuned, name, self.received(self.tuned, *inputs)[name])
            x = self.received(weights, *inputs)[name]
            yield x, there - self._outputs(self.frozen, name, x)

    def left(self, adapter, batches):
        """The sum of squares of what the network's outputs with ``adapter`` lack to those of the
        tuned one, over ``batches``, tuples of its inputs.
        """
        weights, total = self.adapted(adapter), 0.0
        for inputs in batches:
            lacking = self._ends(self.tuned, *inputs) - self._ends(weights, *inputs)
            total += float((np.asarray(lacking, np.float64) ** 2).sum())
        return total

    def adapted(self, adapter):
        """The frozen weights with an adapter in them, its biases too."""
        weights = dict(adapter.merged(self.frozen))
        for name, bias in adapter.biases.items():
            held = weights[self.biases[name]]
            weights[self.biases[name]] = (held + bias).astype(held.dtype)
        return {name: jnp.asarray(each) for name, each in weights.items()}

    def write(self, path, batches, *, overwrite=False):
        """Write X and Y of all modules, in the network with the tuned weights, to ``path`` (HDF5)
        for ``hpcpca regress --modules``; batch after batch. Raise DataError.
        """
        with ModuleWriter(path, overwrite) as writer:
            for inputs in batches:
                for name, x in self.received(self.tuned, *inputs).items():
                    y = self._outputs(self.tuned, name, x) - self._outputs(self.frozen, name, x)
                    writer.append(name, x, y)

    def _outputs(self, weights, name, x):
        z = x @ np.asarray(weights[name]).T
        return z + np.asarray(weights[self.biases[name]]) if name in self.biases else z

    def _watched(self, weights, *inputs):
        noted = {}  # in the order of use
        watched = {name: _Watched(name, weights[name], noted) for name in self.modules}
        self._network({**weights, **watched}, *inputs)
        return {
            name: jnp.concatenate([rows.reshape(-1, rows.shape[-1]) for rows in each])
            for name, each in noted.items()
        }
