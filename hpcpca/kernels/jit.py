"""Kernels: functions that become machine code for the types that they are called with.

Machine code that was made before is loaded from the store without Numba, whose import takes far
longer. Kernels allocate nothing, since Numba's memory is not there then, and return nothing to
Python. Those that kernels call may return what they like.
"""

import struct
import threading
from functools import cached_property

import numpy as np

from . import machine_code, store

WORDS = {"int64": "q", "float32": "d", "float64": "d"}  # how numbers are passed
_loading = threading.Lock()


class Kernel:
    """A function that is called with arrays and numbers: int64, float32 and float64."""

    def __init__(self, function, **options):
        """``options`` are Numba's, of ``njit``."""
        self.function, self.options = function, options
        self.__doc__ = function.__doc__
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self._calls = {}

    def __call__(self, *arguments):
        kinds, words = [], []
        for each in arguments:
            if isinstance(each, np.ndarray):
                kinds.append((each.dtype, each.ndim, each.flags.c_contiguous))
                words.append(each.ctypes.data)
                words += each.shape
                words += each.strides
            else:
                kinds.append(type(each))
                words.append(each)
        kinds = tuple(kinds)
        pack, call = self._calls.get(kinds) or self._loaded(kinds)
        if call(pack(*words)):
            raise RuntimeError(f"{self.name} raised an error")

    def _loaded(self, kinds):
        """(What packs the words of arguments of such ``kinds``, machine code that takes them)."""
        with _loading:
            if kinds not in self._calls:
                name = machine_code.name_of(self.name, " ".join(map(_text, kinds)))
                code = store.read(name)
                if code is None:
                    from . import compiler

                    code = compiler.object_code(self._dispatcher, kinds, name)
                    store.write(name, code)
                form = "".join(
                    f"{1 + 2 * kind[1]}q" if isinstance(kind, tuple) else WORDS[np.dtype(kind).name]
                    for kind in kinds
                )
                self._calls[kinds] = struct.Struct(form).pack, machine_code.load(name, code)
            return self._calls[kinds]

    @cached_property
    def _dispatcher(self):
        from . import compiler

        return compiler.dispatcher(self.function, self.options)

    @property
    def _numba_type_(self):
        """What Numba takes a kernel for that another one calls."""
        return self._dispatcher._numba_type_


class Intrinsic:
    """What kernels call and only Numba understands: ``make`` imports it, once a kernel is
    compiled.
    """

    def __init__(self, make):
        self.__doc__, self._make = make.__doc__, make

    @cached_property
    def _numba_type_(self):
        from . import compiler

        return compiler.type_of(self._make())


def _text(kind):
    """A kind of argument in words."""
    if isinstance(kind, tuple):
        dtype, ndim, is_contiguous = kind
        return f"{dtype.str}{'C' if is_contiguous else 'A'}{ndim}"
    return np.dtype(kind).str


def compiled(function):
    """A kernel whose sums may be taken in any order."""
    return Kernel(function, fastmath={"reassoc", "contract", "nsz"})


def exact(function):
    """A kernel that rounds as it is written; without a word it would round as what calls it."""
    return Kernel(function, fastmath=False)


def merged(function):
    """As ``exact``, and made part of the machine code of what calls it."""
    return Kernel(function, fastmath=False, forceinline=True)
