"""Tensors as users hand them in, agreed on by all workers."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ..comm.messages import is_finite
from ..errors import DataError, on_all_ranks


@dataclass(frozen=True)
class Form:
    """Shape and type of a tensor; what workers have to agree on."""

    shape: tuple
    dtype: np.dtype

    def __str__(self):
        return f"{self.shape} of {self.dtype}"

    @cached_property
    def work(self):
        """The type that it is computed and sent in: float32 up to 4 bytes, else float64."""
        return np.dtype(np.float32 if self.dtype.itemsize <= 4 else np.float64)

    @cached_property
    def matrix(self):
        """Its shape as a matrix (n, m): the first dimension by all others; None for vectors."""
        if len(self.shape) < 2 or 0 in self.shape:
            return None
        return self.shape[0], prod(self.shape[1:])

    @cached_property
    def nbytes(self):
        """Bytes of a message with all of it."""
        return prod(self.shape) * self.work.itemsize

    def zeros(self):
        """A tensor of this form."""
        return np.zeros(self.shape, self.dtype)


def form_of(array):
    """The ``Form`` of an array."""
    return Form(tuple(array.shape), array.dtype)


def as_array(name, tensor):
    """Return a tensor as a numpy array, without a copy if it is one of the CPU's (numpy,
    ``__array__``, DLPack); raise DataError for what is no array of floats.
    """
    try:
        array = tensor if isinstance(tensor, np.ndarray) else _foreign(tensor)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise DataError(f"tensor '{name}' is no array on the CPU: {error}") from None
    if not _is_float(array.dtype):
        raise DataError(f"tensor '{name}' is of type {array.dtype}; hand in floats")
    return array


def _is_float(dtype):
    """Whether it is a float type, of numpy's or of others (bfloat16)."""
    return dtype.kind == "f" or "float" in dtype.name


def unfit(out, forms):
    """Return what is wrong with the arrays {name: array} that means of tensors are written to, or
    None.
    """
    for name, form in forms.items():
        array = out.get(name)
        if not isinstance(array, np.ndarray):
            return f"there is no array for the mean of '{name}'"
        if array.shape != tuple(form.shape):
            return f"the array for the mean of '{name}' is {array.shape}, not {tuple(form.shape)}"
        if not _is_float(array.dtype) or not array.flags.writeable:
            return f"the array for the mean of '{name}' does not take floats, or is read-only"
    return None


def _foreign(tensor):
    if hasattr(tensor, "__array__"):
        return np.asarray(tensor)
    if hasattr(tensor, "__dlpack__"):
        return np.from_dlpack(tensor)
    raise TypeError(f"it is of type {type(tensor).__name__}")


def _is_finite(value):
    return is_finite(value) if isinstance(value, np.ndarray) else value.is_finite()


def agree(world, number, forms, trouble):
    """Return ``forms`` {name: Form} if all workers have the same and none has ``trouble`` (a text);
    raise DataError on all otherwise. Collective.

    ``number`` is what the user calls this worker.
    """
    told = sorted(world.comm.allgather((number, trouble, forms)), key=lambda one: one[0])
    first, _, asked = told[0]
    for number, trouble, forms in told:
        if trouble is None and forms != asked:
            trouble = f"{_difference(forms, asked, first)}; hand in the same on all workers"
        if trouble is not None:
            raise on_all_ranks(DataError(f"worker {number}: {trouble}"))
    return asked


def _difference(forms, asked, first):
    for name in asked:
        if name not in forms:
            return f"there is no tensor '{name}', which worker {first} has"
    for name, form in forms.items():
        if name not in asked:
            return f"worker {first} has no tensor '{name}'"
        if form != asked[name]:
            return f"tensor '{name}' is {form}, and {asked[name]} on worker {first}"
    return f"tensors come in another order than on worker {first}"


def refuse_non_finite(world, number, arrays):
    """Raise DataError on all workers if one of {name: array} is not finite somewhere, naming
    tensor and worker. Collective.
    """
    name = next((name for name, array in arrays.items() if not _is_finite(array)), None)
    told = sorted(world.comm.allgather((number, name)), key=lambda one: one[0])
    for number, name in told:
        if name is not None:
            raise on_all_ranks(
                DataError(
                    f"tensor '{name}' on worker {number} has NaN or infinite values; leave this"
                    " step out on all workers, or find where they come from"
                )
            )
