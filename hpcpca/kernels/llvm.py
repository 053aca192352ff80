"""Code in LLVM's language: memory of arrays, vectors as long as the processor's registers, masks.

LLVM splits vectors where it compiles for another processor.
"""

from llvmlite import ir
from numba.core import cgutils

from .lanes import BYTES

SIZE, INDEX = ir.IntType(64), ir.IntType(32)


class Array:
    """An array's memory, as code is built that reads and writes it."""

    def __init__(self, context, builder, typ, value):
        array = context.make_array(typ)(context, builder, value)
        self.builder, self.is_signed = builder, getattr(typ.dtype, "signed", None)
        self.start = builder.ptrtoint(array.data, SIZE)
        self.strides = cgutils.unpack_tuple(builder, array.strides)
        self.height, *_, self.columns = cgutils.unpack_tuple(builder, array.shape) * 2
        self.kind = context.get_data_type(typ.dtype)
        self.itemsize = typ.dtype.bitwidth // 8
        self.lanes, self.register = BYTES // self.itemsize, BYTES

    def address(self, *place):
        """Address of an element, as a number."""
        b, at = self.builder, self.start
        for index, stride in zip(place, self.strides):
            at = b.add(at, b.mul(_number(index), stride))
        return at

    def vector(self, lanes):
        """The type of so many elements."""
        return ir.VectorType(self.kind, lanes)

    def load(self, address, lanes):
        """Elements from an address on."""
        pointer = self.builder.inttoptr(address, self.vector(lanes).as_pointer())
        return self.builder.load(pointer, align=self.itemsize)

    def converted(self, x, vector):
        """Elements of it as a vector of floats."""
        b = self.builder
        if self.is_signed is not None:
            return (b.sitofp if self.is_signed else b.uitofp)(x, vector)
        return b.fpext(x, vector) if x.type != vector else x

    def store(self, value, address):
        """Write elements from an address on."""
        pointer = self.builder.inttoptr(address, value.type.as_pointer())
        self.builder.store(value, pointer, align=self.itemsize)


def arrays(context, builder, typed):
    """Arguments of a kernel, (Numba's type, value) each, as ``Array``."""
    return [Array(context, builder, kind, value) for kind, value in typed]


def _number(value):
    return SIZE(value) if isinstance(value, int) else value


def call(b, name, result, *arguments):
    """Call a function of LLVM's own."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), arguments)


def suffix(vector):
    """What LLVM calls such a vector in the names of its functions."""
    return f"v{vector.count}{vector.element.intrinsic_name}"


def multiply_add(b, x, y, place):
    """place += x·y"""
    name = f"llvm.fmuladd.{suffix(x.type)}"
    b.store(call(b, name, x.type, x, y, b.load(place)), place)


def prefetch(b, address, cache=2):
    """Have the first or second ``cache`` read what is at an address."""
    pointer = b.inttoptr(address, ir.IntType(8).as_pointer())
    near = INDEX({1: 3, 2: 2}[cache])
    call(b, "llvm.prefetch.p0", ir.VoidType(), pointer, INDEX(0), near, INDEX(1))


def zeros(b, vector, count):
    """Places for so many sums, at zero."""
    places = [cgutils.alloca_once(b, vector) for _ in range(count)]
    for place in places:
        b.store(vector(None), place)
    return places


def _lanes(*numbers):
    return ir.VectorType(INDEX, len(numbers))(list(map(INDEX, numbers)))


def spread(b, scalar, vector):
    """A vector of equal elements."""
    nothing = vector(ir.Undefined)
    one = b.insert_element(nothing, scalar, INDEX(0))
    return b.shuffle_vector(one, nothing, _lanes(*[0] * vector.count))


def totals(b, vectors):
    """The sum of the elements of each vector, in order, as vectors: neighbours are added until none
    are left.
    """
    lanes = vectors[0].type.count
    vectors = vectors + [vectors[0].type(None)] * (-len(vectors) % lanes)
    even, odd = _lanes(*range(0, 2 * lanes, 2)), _lanes(*range(1, 2 * lanes, 2))
    for _ in range(lanes.bit_length() - 1):
        vectors = [
            b.fadd(b.shuffle_vector(x, y, even), b.shuffle_vector(x, y, odd))
            for x, y in zip(vectors[::2], vectors[1::2])
        ]
    return vectors


def is_direct(shift, tile):
    """Whether registers can take deviations: not where shifts are integers, for exact
    differences; of arrays in kernels.
    """
    return shift.kind == tile.kind


class Deviations:
    """(row − shift)·scale in registers, from arrays as they are read: ``source`` (n, d) or (d),
    ``shift`` (d), and the number ``scale``, of the type of the tile that they are for.
    """

    def __init__(self, b, source, shift, scale, tile):
        self.b, self.source, self.shift, self.tile = b, source, shift, tile
        self.lanes, self.vector = tile.lanes, tile.vector(tile.lanes)
        self.scale = spread(b, scale, self.vector)

    def centre(self, column, mask=None):
        """Shifts from a column on, in the lanes of ``mask`` or all."""
        return self._read(self.shift, self.shift.address(column), mask)

    def read(self, place, centre, mask=None):
        """Deviations from an element of the source on, given by its place."""
        b, source = self.b, self.source
        x = source.converted(self._read(source, source.address(*place), mask), self.vector)
        return b.fmul(b.fsub(x, centre), self.scale)

    def _read(self, array, address, mask):
        if mask is None:
            return array.load(address, self.lanes)
        return load_masked(self.b, array, address, mask)


def first_lanes(b, lanes, count):
    """A mask of so many lanes, of which there are ``lanes``."""
    numbers = ir.VectorType(SIZE, lanes)(list(map(SIZE, range(lanes))))
    return b.icmp_signed("<", numbers, spread(b, count, numbers.type))


def load_masked(b, array, address, mask):
    """Elements from an address on in the lanes of a mask; zeros in others."""
    vector = array.vector(mask.type.count)
    pointer, align = b.inttoptr(address, vector.as_pointer()), INDEX(array.itemsize)
    name = f"llvm.masked.load.{suffix(vector)}.p0"
    return call(b, name, vector, pointer, align, mask, vector(None))


def add_masked(b, out, address, value, left):
    """Add a vector to ``out`` from an address on, in the first ``left`` elements."""
    lanes = value.type.count
    wide = out.vector(lanes)
    if value.type != wide:
        value = b.fpext(value, wide)
    mask = first_lanes(b, lanes, left)
    new = b.fadd(load_masked(b, out, address, mask), value)
    pointer, align = b.inttoptr(address, wide.as_pointer()), INDEX(out.itemsize)
    name = f"llvm.masked.store.{suffix(wide)}.p0"
    call(b, name, ir.VoidType(), new, pointer, align, mask)
