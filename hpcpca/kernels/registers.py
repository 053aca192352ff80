"""What the panel product does in registers, written in LLVM's language.

A product of matrices is quick where sums stay in registers while many rows or columns go by. Numba
keeps a loop's scalars there, and LLVM may make vectors of them; but it does so for dot products
only, in vectors half as long as the processor has, and it stores sums of columns after every row.
So the vectors stand here, of as many bytes as the processor's registers have. LLVM splits them
where it compiles for another one.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .lanes import BYTES, GROUP, STRIP

SIZE, INDEX = ir.IntType(64), ir.IntType(32)


class _Array:
    """An array's memory, as code is built that reads and writes it."""

    def __init__(self, context, builder, typ, value):
        array = context.make_array(typ)(context, builder, value)
        self.builder, self.is_signed = builder, getattr(typ.dtype, "signed", None)
        self.start = builder.ptrtoint(array.data, SIZE)
        self.strides = cgutils.unpack_tuple(builder, array.strides)
        self.height, *_, self.columns = cgutils.unpack_tuple(builder, array.shape) * 2
        self.kind = context.get_data_type(typ.dtype)
        self.itemsize = typ.dtype.bitwidth // 8
        self.lanes = BYTES // self.itemsize

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

    def store(self, value, address):
        """Write elements from an address on."""
        pointer = self.builder.inttoptr(address, value.type.as_pointer())
        self.builder.store(value, pointer, align=self.itemsize)


def _arrays(context, builder, typed):
    return [_Array(context, builder, kind, value) for kind, value in typed]


def _number(value):
    return SIZE(value) if isinstance(value, int) else value


def _call(b, name, result, *arguments):
    """Call a function of LLVM's own."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), arguments)


def _suffix(vector):
    return f"v{vector.count}{vector.element.intrinsic_name}"


def _multiply_add(b, x, y, place):
    """place += x·y"""
    name = f"llvm.fmuladd.{_suffix(x.type)}"
    b.store(_call(b, name, x.type, x, y, b.load(place)), place)


def _prefetch(b, address):
    """Have the second cache read what is at an address."""
    pointer = b.inttoptr(address, ir.IntType(8).as_pointer())
    _call(b, "llvm.prefetch.p0", ir.VoidType(), pointer, INDEX(0), INDEX(2), INDEX(1))


def _zeros(b, vector, count):
    """Places for so many sums, at zero."""
    places = [cgutils.alloca_once(b, vector) for _ in range(count)]
    for place in places:
        b.store(vector(None), place)
    return places


def _lanes(*numbers):
    return ir.VectorType(INDEX, len(numbers))(list(map(INDEX, numbers)))


def _spread(b, scalar, vector):
    """A vector of equal elements."""
    nothing = vector(ir.Undefined)
    one = b.insert_element(nothing, scalar, INDEX(0))
    return b.shuffle_vector(one, nothing, _lanes(*[0] * vector.count))


def _totals(b, vectors):
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


def dot(count):
    """Make the kernel for products of ``GROUP`` rows with ``count`` vectors; 1, 2 or 4."""

    @intrinsic
    def kernel(typing, tile, panel, sums, rows, width, k, place):
        """sums (GROUP, k…k+count−1) += tile·panelᵀ for tile (GROUP, width) and panel (m, width),
        the width in whole registers. On the way ``width`` elements of ``rows`` (n, d) are fetched
        to the cache, from the element of number ``place`` on.
        """

        def generate(context, b, signature, arguments):
            tile, panel, sums, rows = _arrays(context, b, zip(signature.args[:4], arguments))
            width, k, place = arguments[4:]
            lanes = tile.lanes
            places = _zeros(b, tile.vector(lanes), GROUP * count)
            xs = [tile.address(i, 0) for i in range(GROUP)]
            ys = [panel.address(b.add(k, SIZE(v)), 0) for v in range(count)]
            ahead = b.add(rows.start, b.mul(place, SIZE(rows.itemsize)))
            with cgutils.for_range(b, b.udiv(width, SIZE(lanes))) as loop:
                _prefetch(b, b.add(ahead, b.mul(loop.index, SIZE(lanes * rows.itemsize))))
                done = b.mul(loop.index, SIZE(BYTES))
                row = [tile.load(b.add(x, done), lanes) for x in xs]
                vectors = [panel.load(b.add(y, done), lanes) for y in ys]
                for number, sum_of in enumerate(places):
                    _multiply_add(b, row[number // count], vectors[number % count], sum_of)
            totals = _totals(b, [b.load(sum_of) for sum_of in places])
            for i in range(GROUP):
                part = sums.vector(count)(ir.Undefined)
                for v in range(count):
                    whole, lane = divmod(i * count + v, lanes)
                    one = b.extract_element(totals[whole], INDEX(lane))
                    part = b.insert_element(part, one, INDEX(v))
                target = sums.address(i, k)
                sums.store(b.fadd(sums.load(target, count), part), target)
            return context.get_dummy_value()

        return types.void(tile, panel, sums, rows, *[types.int64] * 3), generate

    return kernel


def outer(count, fetches=False):
    """Make the kernel for sums over rows of ``count`` vectors' images, in a strip of columns; it
    ``fetches`` from memory on the way, or not.
    """

    @intrinsic
    def kernel(typing, tile, sums, out, ahead, rows, start, k, at, place):
        """out (k…k+count−1, at…) += sumsᵀ·tile for tile (rows, start…), in the columns of a strip
        that out (m, d) float64 has; sums (rows, m). On the way what is ``place`` bytes behind the
        beginning of each row of ``ahead`` (rows, d) is fetched to the cache.
        """

        def generate(context, b, signature, arguments):
            tile, sums, out, ahead = _arrays(context, b, zip(signature.args[:4], arguments))
            rows, start, k, at, place = arguments[4:]
            lanes, vector = tile.lanes, tile.vector(tile.lanes)
            places = _zeros(b, vector, count * STRIP)
            tile_at, sums_at = tile.address(0, start), sums.address(0, k)
            with cgutils.for_range(b, rows) as loop:
                x = b.add(tile_at, b.mul(loop.index, tile.strides[0]))
                s = b.add(sums_at, b.mul(loop.index, sums.strides[0]))
                if fetches:
                    hop = b.mul(loop.index, ahead.strides[0])
                    _prefetch(b, b.add(b.add(ahead.start, place), hop))
                row = [tile.load(b.add(x, SIZE(n * BYTES)), lanes) for n in range(STRIP)]
                for v in range(count):
                    one = sums.load(b.add(s, SIZE(v * sums.itemsize)), 1)
                    factor = _spread(b, b.extract_element(one, INDEX(0)), vector)
                    for n in range(STRIP):
                        _multiply_add(b, factor, row[n], places[v * STRIP + n])
            for number, place in enumerate(places):
                column = b.add(at, SIZE(number % STRIP * lanes))
                address = out.address(b.add(k, SIZE(number // STRIP)), column)
                _add_masked(b, out, address, b.load(place), b.sub(out.columns, column))
            return context.get_dummy_value()

        return types.void(tile, sums, out, ahead, *[types.int64] * 5), generate

    return kernel


def _add_masked(b, out, address, value, left):
    """Add a vector to ``out`` from an address on, in the first ``left`` elements."""
    lanes = value.type.count
    wide = out.vector(lanes)
    if value.type != wide:
        value = b.fpext(value, wide)
    numbers = ir.VectorType(SIZE, lanes)(list(map(SIZE, range(lanes))))
    mask = b.icmp_signed("<", numbers, _spread(b, left, numbers.type))
    pointer, align = b.inttoptr(address, wide.as_pointer()), INDEX(out.itemsize)
    name = _suffix(wide) + ".p0"
    old = _call(b, f"llvm.masked.load.{name}", wide, pointer, align, mask, wide(None))
    new = b.fadd(old, value)
    _call(b, f"llvm.masked.store.{name}", ir.VoidType(), new, pointer, align, mask)


@intrinsic
def deviations(typing, row, shift, tile, scale, i):
    """tile (i, :) ← (row − shift)·scale in whole registers, and how many elements that were; row
    and shift (w), tile (r, ≥ w). None, where shifts are integers, for exact differences.
    """

    def generate(context, b, signature, arguments):
        row, shift, tile = _arrays(context, b, zip(signature.args[:3], arguments))
        if shift.kind != tile.kind:
            return SIZE(0)
        lanes, vector = tile.lanes, tile.vector(tile.lanes)
        scale, target = _spread(b, arguments[3], vector), tile.address(arguments[4], 0)
        registers = b.udiv(row.columns, SIZE(lanes))
        with cgutils.for_range(b, registers) as loop:
            first = b.mul(loop.index, SIZE(lanes))
            x, c = row.load(row.address(first), lanes), shift.load(shift.address(first), lanes)
            if row.is_signed is not None:
                x = (b.sitofp if row.is_signed else b.uitofp)(x, vector)
            elif x.type != vector:
                x = b.fpext(x, vector)
            value = b.fmul(b.fsub(x, c), scale)
            tile.store(value, b.add(target, b.mul(loop.index, SIZE(BYTES))))
        return b.mul(registers, SIZE(lanes))

    return types.int64(row, shift, tile, scale, types.int64), generate
