"""What the panel product does in registers, written in LLVM's language.

A product of matrices is quick where sums stay in registers while many rows or columns go by. Numba
keeps a loop's scalars there, and LLVM may make vectors of them; but it does so for dot products
only, in vectors half as long as the processor has, and it stores sums of columns after every row.
So the vectors stand here. Rows are converted in registers too, between the multiplications: by
itself that took as long as half of these.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .lanes import GROUP, LINE, STRIP
from .llvm import (
    INDEX,
    SIZE,
    Deviations,
    add_masked,
    arrays,
    first_lanes,
    is_direct,
    multiply_add,
    prefetch,
    spread,
    totals,
    zeros,
)


@intrinsic
def takes_rows(typing, shift, tile):
    """1 if ``fresh_dot`` and ``fresh_outer`` take rows of such shifts for such a tile, or 0."""

    def generate(context, b, signature, arguments):
        return SIZE(int(is_direct(*arrays(context, b, zip(signature.args, arguments)))))

    return types.int64(shift, tile), generate


def dot(count):
    """Make the kernel for products of ``GROUP`` rows with ``count`` vectors; 1, 2 or 4."""

    @intrinsic
    def kernel(typing, tile, panel, sums, rows, width, k, place):
        """sums (GROUP, k…k+count−1) += tile·panelᵀ for tile (GROUP, width) and panel (m, width),
        the width in whole registers. On the way ``width`` elements of ``rows`` (n, d) are fetched
        to the cache, from the element of number ``place`` on.
        """

        def generate(context, b, signature, arguments):
            tile, panel, sums, rows = arrays(context, b, zip(signature.args[:4], arguments))
            width, k, place = arguments[4:]
            dots = _Dots(b, tile, panel, k, count)
            with cgutils.for_range(b, b.udiv(width, SIZE(tile.lanes))) as loop:
                dots.fetch(rows, place, loop.index)
                dots.add(dots.tile_at(loop.index), loop.index)
            dots.add_to(sums)
            return context.get_dummy_value()

        return types.void(tile, panel, sums, rows, *[types.int64] * 3), generate

    return kernel


def fresh_dot(count):
    """Make the kernel that fills a tile, and multiplies it with ``count`` vectors meanwhile."""

    @intrinsic
    def kernel(typing, tile, panel, sums, rows, place, source, shift, scale, start, stop):
        """tile ← (source − shift)·scale in columns start…stop−1, then zeros up to a whole
        register; sums (GROUP, m) += tile·panelᵀ for the first ``count`` vectors.

        On the way two of ``rows`` (n, d) are fetched to the cache, as ``dot`` fetches one. Nothing
        if not ``takes_rows``.
        """

        def generate(context, b, signature, arguments):
            pairs = list(zip(signature.args, arguments))
            tile, panel, sums, rows, source, shift = arrays(context, b, pairs[:4] + pairs[5:7])
            place, (scale, start, stop) = arguments[4], arguments[7:]
            if not is_direct(shift, tile):
                return context.get_dummy_value()
            dots = _Dots(b, tile, panel, SIZE(0), count)
            taken = Deviations(b, source, shift, scale, tile)
            lanes, width = SIZE(tile.lanes), b.sub(stop, start)

            def add(index, mask=None):
                column = b.add(start, b.mul(index, lanes))
                centre = taken.centre(column, mask)
                found = [taken.read((i, column), centre, mask) for i in range(GROUP)]
                for i, each in enumerate(found):
                    tile.store(each, dots.place_of(i, index))
                dots.add(found, index)

            whole, left = b.udiv(width, lanes), b.urem(width, lanes)
            with cgutils.for_range(b, whole) as loop:
                for n in range(2):  # with 16 vectors the calls are fewer than the rows
                    row = b.mul(rows.columns, SIZE(n))
                    dots.fetch(rows, b.add(place, row), loop.index)
                add(loop.index)
            with b.if_then(b.icmp_signed(">", left, SIZE(0))):
                add(whole, first_lanes(b, tile.lanes, left))
            dots.add_to(sums)
            return context.get_dummy_value()

        numbers = scale, *[types.int64] * 2
        taken = source, shift, *numbers
        return types.void(tile, panel, sums, rows, types.int64, *taken), generate

    return kernel


class _Dots:
    """Sums of products of ``GROUP`` rows of a tile with ``count`` vectors of a panel, from the k-th
    on, a register at a time.
    """

    def __init__(self, b, tile, panel, k, count):
        self.b, self.tile, self.panel, self.k, self.count = b, tile, panel, k, count
        self.places = zeros(b, tile.vector(tile.lanes), GROUP * count)
        self.xs = [tile.address(i, 0) for i in range(GROUP)]
        self.ys = [panel.address(b.add(k, SIZE(v)), 0) for v in range(count)]

    def fetch(self, rows, place, index):
        """Have the first cache read a register's width of ``rows``, from an element's number on."""
        b, size = self.b, rows.itemsize
        ahead = b.add(rows.start, b.mul(place, SIZE(size)))
        prefetch(b, b.add(ahead, b.mul(index, SIZE(self.tile.lanes * size))), cache=1)

    def place_of(self, i, index):
        """Address of a register of row i of the tile."""
        return self.b.add(self.xs[i], self.b.mul(index, SIZE(self.tile.register)))

    def tile_at(self, index):
        """A register of every row of the tile."""
        return [self.tile.load(self.place_of(i, index), self.tile.lanes) for i in range(GROUP)]

    def add(self, row, index):
        """Add products with a register of every row."""
        b, done = self.b, self.b.mul(index, SIZE(self.tile.register))
        vectors = [self.panel.load(b.add(y, done), self.panel.lanes) for y in self.ys]
        for number, sum_of in enumerate(self.places):
            multiply_add(b, row[number // self.count], vectors[number % self.count], sum_of)

    def add_to(self, sums):
        """Add all to ``sums``."""
        b, lanes, count = self.b, self.tile.lanes, self.count
        added = totals(b, [b.load(sum_of) for sum_of in self.places])
        for i in range(GROUP):
            part = sums.vector(count)(ir.Undefined)
            for v in range(count):
                whole, lane = divmod(i * count + v, lanes)
                one = b.extract_element(added[whole], INDEX(lane))
                part = b.insert_element(part, one, INDEX(v))
            target = sums.address(i, self.k)
            sums.store(b.fadd(sums.load(target, count), part), target)


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
            tile, sums, out, ahead = arrays(context, b, zip(signature.args[:4], arguments))
            rows, start, k, at, place = arguments[4:]
            outers = _Outers(b, tile, sums, k, count)
            tile_at = tile.address(0, start)
            with cgutils.for_range(b, rows) as loop:
                x = b.add(tile_at, b.mul(loop.index, tile.strides[0]))
                if fetches:
                    prefetch(b, b.add(ahead.address(loop.index, 0), place))
                row = [
                    tile.load(b.add(x, SIZE(n * tile.register)), tile.lanes) for n in range(STRIP)
                ]
                outers.add(row, loop.index)
            outers.add_to(out, at)
            return context.get_dummy_value()

        return types.void(tile, sums, out, ahead, *[types.int64] * 5), generate

    return kernel


def fresh_outer(count):
    """Make the kernel that fills a strip of a tile, and sums up ``count`` vectors' images."""

    @intrinsic
    def kernel(typing, tile, sums, out, source, shift, scale, rows, at, place):
        """tile (rows, a strip) ← (source − shift)·scale in the whole strip from column ``at``
        on; out (m, d) += sumsᵀ·tile there, for the first ``count`` vectors.

        On the way two lines that begin ``place`` bytes behind the beginning of each row are fetched
        to the cache. Nothing if not ``takes_rows``.
        """

        def generate(context, b, signature, arguments):
            tile, sums, out, source, shift = arrays(context, b, zip(signature.args[:5], arguments))
            scale, rows, at, place = arguments[5:]
            if not is_direct(shift, tile):
                return context.get_dummy_value()
            outers = _Outers(b, tile, sums, SIZE(0), count)
            taken = Deviations(b, source, shift, scale, tile)
            columns = [b.add(at, SIZE(n * tile.lanes)) for n in range(STRIP)]
            centres = [taken.centre(column) for column in columns]
            with cgutils.for_range(b, rows) as loop:
                ahead = b.add(source.address(loop.index, 0), place)
                for n in range(2):
                    prefetch(b, b.add(ahead, SIZE(n * LINE)))
                row = [
                    taken.read((loop.index, column), centre)
                    for column, centre in zip(columns, centres)
                ]
                for n, each in enumerate(row):
                    tile.store(each, b.add(tile.address(loop.index, 0), SIZE(n * tile.register)))
                outers.add(row, loop.index)
            outers.add_to(out, at)
            return context.get_dummy_value()

        taken = source, shift, scale, *[types.int64] * 3
        return types.void(tile, sums, out, *taken), generate

    return kernel


class _Outers:
    """Sums over rows of products of ``count`` coefficients, from the k-th on, with a strip."""

    def __init__(self, b, tile, sums, k, count):
        self.b, self.sums, self.count, self.vector = b, sums, count, tile.vector(tile.lanes)
        self.places = zeros(b, self.vector, count * STRIP)
        self.k, self.sums_at = k, sums.address(0, k)

    def add(self, row, index):
        """Add products with the registers of a row, whose number is given."""
        b, sums = self.b, self.sums
        s = b.add(self.sums_at, b.mul(index, sums.strides[0]))
        for v in range(self.count):
            one = sums.load(b.add(s, SIZE(v * sums.itemsize)), 1)
            factor = spread(b, b.extract_element(one, INDEX(0)), self.vector)
            for n in range(STRIP):
                multiply_add(b, factor, row[n], self.places[v * STRIP + n])

    def add_to(self, out, at):
        """Add all to the columns from ``at`` on that ``out`` has."""
        b = self.b
        for number, place in enumerate(self.places):
            column = b.add(at, SIZE(number % STRIP * self.vector.count))
            address = out.address(b.add(self.k, SIZE(number // STRIP)), column)
            add_masked(b, out, address, b.load(place), b.sub(out.columns, column))


@intrinsic
def deviations(typing, row, shift, tile, scale, i):
    """tile (i, :) ← (row − shift)·scale in whole registers, and how many elements that were; row
    and shift (w), tile (r, ≥ w). None if not ``takes_rows``.
    """

    def generate(context, b, signature, arguments):
        row, shift, tile = arrays(context, b, zip(signature.args[:3], arguments))
        if not is_direct(shift, tile):
            return SIZE(0)
        taken, target = (
            Deviations(b, row, shift, arguments[3], tile),
            tile.address(arguments[4], 0),
        )
        registers = b.udiv(row.columns, SIZE(tile.lanes))
        with cgutils.for_range(b, registers) as loop:
            first = b.mul(loop.index, SIZE(tile.lanes))
            value = taken.read((first,), taken.centre(first))
            tile.store(value, b.add(target, b.mul(loop.index, SIZE(tile.register))))
        return b.mul(registers, SIZE(tile.lanes))

    return types.int64(row, shift, tile, scale, types.int64), generate
