"""What the modules of a network receive, and what they lack: rows for regressions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import UsageError, did_you_mean
from ...files.modules import ModuleWriter
from ..adapter import pointed
from .only_products import OnlyProducts


@dataclass(frozen=True)
class _Watched(OnlyProducts):
    """Weights (q, d) that note what they are multiplied with, in the place of an array."""

    name: str
    whole: jax.Array
    noted: dict  # {module: list of rows}

    @property
    def shape(self):
        return self.whole.shape

    @property
    def dtype(self):
        return self.whole.dtype

    def __len__(self):
        return len(self.whole)

    def astype(self, dtype):
        return _Watched(self.name, self.whole.astype(dtype), self.noted)

    @property
    def T(self):
        return _Transposed(self)


@dataclass(frozen=True)
class _Transposed(OnlyProducts):
    """The transpose (d, q) of those."""

    of: _Watched

    @property
    def shape(self):
        return self.of.shape[::-1]

    @property
    def dtype(self):
        return self.of.dtype

    def astype(self, dtype):
        return _Transposed(self.of.astype(dtype))

    def __rmatmul__(self, rows):
        self.of.noted.setdefault(self.of.name, []).append(rows)
        return rows @ self.of.whole.T


class Recording:
    """Inputs of ``modules``, and what their outputs lack to those in the network with the
    ``tuned`` weights. ``network(weights, *inputs)`` computes ``x @ W.T`` with theirs,
    and not within vmap or scan.

    ``biases`` {module: name of its bias in the weights}, of those that have one. Raise UsageError
    for names that are not among the weights.
    """

    def __init__(self, network, frozen, tuned, modules, biases=None):
        self.modules, self.biases = tuple(modules), dict(biases or {})
        for name in (*self.modules, *self.biases.values()):
            for held in (frozen, tuned):
                if name not in held:
                    raise UsageError(
                        f"{name} is not among the weights{did_you_mean(str(name), held)}"
                    )
        if hasattr(network, "lower"):  # compiled: what is inside takes weights that note
            network = network.__wrapped__
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
        places = {pointed(name): bias for name, bias in self.biases.items()}
        for name, bias in adapter.biases.items():
            place = places.get(pointed(name))
            if place is None:
                raise UsageError(f"module {name} has a bias in the adapter, but none here; name it")
            held = weights[place]
            weights[place] = (held + bias).astype(held.dtype)
        return {name: jnp.asarray(each) for name, each in weights.items()}

    def write(self, path, batches, *, overwrite=False):
        """Write X and Y of all modules, in the network with the tuned weights, to ``path`` (HDF5)
        for ``hpcpca regress --modules``; batch after batch. Raise DataError, and UsageError for
        modules that the network does not use.
        """
        count = 0
        with ModuleWriter(path, overwrite) as writer:
            for count, inputs in enumerate(batches, 1):
                received = self.received(self.tuned, *inputs)
                for name in self.modules:
                    if name not in received:
                        raise UsageError(f"the network does not use module {name}; leave it out")
                    x = received[name]
                    y = self._outputs(self.tuned, name, x) - self._outputs(self.frozen, name, x)
                    writer.append(name, x, y)
            if not count:
                raise UsageError("no batches; give one or more")

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
