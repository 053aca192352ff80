"""What trainers are given, looked at beforehand."""

from numbers import Integral, Real
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import DataError, UsageError, did_you_mean, on_all_ranks
from .adam import RATE


def check_rate(rate):
    """Raise UsageError unless it is a rate of Adam."""
    if not (isinstance(rate, Real) and 0 < rate < np.inf):
        raise UsageError(f"rate {rate}; give a number above 0, such as {RATE}")


def checksum(weights):
    """Of all that is in them, names and types too: text."""
    value = 0
    for path, each in jax.tree_util.tree_leaves_with_path(weights):
        each = np.asarray(each)
        value = crc32(f"{path} {each.shape} {each.dtype}".encode(), value)
        value = crc32(np.ascontiguousarray(each).reshape(-1).view(np.uint8), value)
    return f"{value:08x}"


def check_batch(batch, step):
    """Raise UsageError if there is nothing in it."""
    if any(0 in np.shape(each) for each in jax.tree.leaves(batch)):
        raise UsageError(f"batch {step} is empty; leave it out")


def check_finite(slopes, step, batch):
    """Raise DataError if gradients are not finite, the same on all ranks, and say why."""
    if np.isfinite(slopes).all():
        return
    held = [each for each in map(jnp.asarray, jax.tree.leaves(batch)) if _is_float(each)]
    if not all(jnp.isfinite(each).all() for each in held):
        why = "it has numbers that are not finite; mend them"
    elif step == 0:
        why = "a gradient is not finite before anything has changed; look at the weights"
    else:
        why = "a gradient is not finite; take a lower rate"
    raise on_all_ranks(DataError(f"batch {step}: {why}"))


def _is_float(array):
    return jnp.issubdtype(array.dtype, jnp.floating)


def shapes_of(weights, modules):
    """Return {module: (q, d)}; raise UsageError if one has no weights, or those are no matrix of
    floats.
    """
    shapes = {}
    for name in modules:
        if name not in weights:
            remedy = did_you_mean(str(name), weights) or "; name one that has"
            raise UsageError(f"module {name} has no weights{remedy}")
        held = weights[name]
        shapes[name] = np.shape(held)
        if len(shapes[name]) != 2 or 0 in shapes[name] or not _is_float(held):
            raise UsageError(
                f"module {name} has weights of shape {shapes[name]} and type {held.dtype}; a matrix"
                " of floats is needed"
            )
    if not shapes:
        raise UsageError("no modules; name at least one")
    return shapes


def ranks_of(rank, layout):
    """Return the pairs of all modules: (N); raise UsageError."""
    given = rank if isinstance(rank, dict) else dict.fromkeys(layout.names, rank)
    for name in layout.names:
        pairs = given.get(name, 0)
        if not (isinstance(pairs, Integral) and pairs >= 1):
            raise UsageError(f"module {name}: {pairs!r} pairs; give a whole number, 1 or more")
    unknown = [name for name in given if name not in layout.names]
    if unknown:
        raise UsageError(f"rank is given for {unknown[0]}, which is not among the modules")
    return np.array([given[name] for name in layout.names])
