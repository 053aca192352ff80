"""The only user of Numba, which is imported where machine code is not in the store."""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.arrayobj import make_array, populate_array

WORD, DOUBLE = ir.IntType(64), ir.DoubleType()


def dispatcher(function, options):
    """What Numba compiles a function with: division as numpy has it, no memory of its own, and no
    way in from Python.
    """
    return numba.njit(
        error_model="numpy",
        _nrt=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        **options,
    )(function)


def type_of(value):
    """Numba's type of a global of kernels, perhaps one that it has just been told of."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    return cpu_target.typing_context.resolve_value_type(value)


@global_compiler_lock
def object_code(dispatcher, kinds, symbol):
    """Object code of a function for arguments of such ``kinds``, with all that it calls.

    A kind is a type of numbers, or (dtype, dimensions, whether C-contiguous) of an array. What is
    called is ``symbol``, with the address of the arguments in words of 8 bytes: an array's data,
    shape and strides; int64; float64, which also float32 are passed as.
    """
    signature = tuple(_type(kind) for kind in kinds)
    dispatcher.compile(signature)
    result = dispatcher.overloads[signature]
    if result.signature.return_type != types.none:
        raise TypeError(f"{result.fndesc.qualname} returns {result.signature.return_type}")
    context = cpu_target.target_context
    library = context.codegen().create_library(symbol)
    library.enable_object_caching()
    module = library.create_ir_module(symbol)
    entry = ir.Function(module, ir.FunctionType(ir.IntType(32), [WORD.as_pointer()]), symbol)
    builder, words = ir.IRBuilder(entry.append_basic_block()), _Words(entry.args[0])
    values = [words.value(context, builder, each) for each in signature]
    function = context.declare_function(module, result.fndesc)
    status, _ = context.call_conv.call_function(builder, function, types.none, signature, values)
    builder.ret(status.code)
    library.add_ir_module(module)
    library.add_linking_library(result.library)
    library.finalize()
    library.get_pointer_to_function(symbol)
    return library._get_compiled_object()


def _type(kind):
    if isinstance(kind, tuple):
        dtype, ndim, is_contiguous = kind
        return types.Array(numba.from_dtype(dtype), ndim, "C" if is_contiguous else "A")
    return numba.from_dtype(np.dtype(kind))


class _Words:
    """Arguments in words at an address, taken one after the other."""

    def __init__(self, address):
        self._address, self._next = address, 0

    def _word(self, builder, kind=WORD):
        place = builder.gep(self._address, [WORD(self._next)])
        self._next += 1
        return builder.load(builder.bitcast(place, kind.as_pointer()))

    def value(self, context, builder, kind):
        """The next argument, of a Numba type."""
        if kind == types.float32:
            return builder.fptrunc(self._word(builder, DOUBLE), ir.FloatType())
        if not isinstance(kind, types.Array):
            return self._word(builder, context.get_value_type(kind))
        array = make_array(kind)(context, builder)
        data = builder.inttoptr(self._word(builder), array.data.type)
        shape, strides = ([self._word(builder) for _ in range(kind.ndim)] for _ in range(2))
        itemsize = WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        populate_array(array, data, shape, strides, itemsize, meminfo=None)
        return array._getvalue()
