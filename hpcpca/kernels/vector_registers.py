"""What the product with a single vector does in registers, written in LLVM's language.

Rows are read twice, the second time from cache. Memory would have nothing to do meanwhile: so the
next rows are fetched then, line by line, which no loop of Numba's does without losing its vectors.
"""

from numba.core import cgutils, types
from numba.extending import intrinsic

from .lanes import LINE
from .llvm import (
    INDEX,
    SIZE,
    arrays,
    call,
    multiply_add,
    prefetch,
    spread,
    suffix,
    totals,
    zeros,
)


class _Rows:
    """Some rows, an element of each at a time less the shift, in whole registers of the type of
    ``part``.
    """

    def __init__(self, b, rows, shift, first, count, lanes):
        self.b, self.rows, self.shift, self.lanes = b, rows, shift, lanes
        self.vector = shift.vector(lanes)
        self.starts = [rows.address(b.add(first, SIZE(i)), 0) for i in range(count)]
        self.bytes = lanes * rows.itemsize

    def deviations(self, place):
        """Those of all rows from element ``place`` on."""
        b, done = self.b, self.b.mul(place, SIZE(self.rows.itemsize))
        centre = self.shift.load(self.shift.address(place), self.lanes)
        for start in self.starts:
            x = self.rows.load(b.add(start, done), self.lanes)
            yield b.fsub(self.rows.converted(x, self.vector), centre)


def dots(count):
    """Make the kernel for the products of ``count`` rows with a vector."""

    @intrinsic
    def kernel(typing, rows, first, shift, vector, sums):
        """sums ← (rows − shift)·vector for ``count`` rows from the ``first`` on, in registers;
        return how many elements that were. None, where shifts are integers.
        """

        def generate(context, b, signature, arguments):
            typed = zip(signature.args[:1] + signature.args[2:], arguments[:1] + arguments[2:])
            rows, shift, vector, sums = arrays(context, b, typed)
            if shift.kind != vector.kind:
                return SIZE(0)
            lanes = vector.lanes
            some = _Rows(b, rows, shift, arguments[1], count, lanes)
            places = zeros(b, some.vector, count)
            registers = b.udiv(vector.columns, SIZE(lanes))
            with cgutils.for_range(b, registers) as loop:
                place = b.mul(loop.index, SIZE(lanes))
                y = vector.load(vector.address(place), lanes)
                for x, sum_of in zip(some.deviations(place), places):
                    multiply_add(b, x, y, sum_of)
            added = totals(b, [b.load(sum_of) for sum_of in places])
            for i in range(count):
                whole, lane = divmod(i, lanes)
                one = b.extract_element(added[whole], INDEX(lane))
                b.store(one, b.inttoptr(sums.address(i), sums.kind.as_pointer()))
            return b.mul(registers, SIZE(lanes))

        return types.int64(rows, types.int64, shift, vector, sums), generate

    return kernel


def sums_of(count, fetches):
    """Make the kernel for the sum of ``count`` rows times a number each; it ``fetches`` the next
    rows on the way, or not.
    """

    @intrinsic
    def kernel(typing, rows, first, shift, numbers, part):
        """part += Σ numbers_i·(row_i − shift) for ``count`` rows from the ``first`` on, in whole
        lines of rows; return how many elements that were. None, where shifts are integers. Fetched
        are as many rows behind them, or those at hand again, if there are none.
        """

        def generate(context, b, signature, arguments):
            typed = zip(signature.args[:1] + signature.args[2:], arguments[:1] + arguments[2:])
            rows, shift, numbers, part = arrays(context, b, typed)
            if shift.kind != part.kind:
                return SIZE(0)
            lanes, first = part.lanes, arguments[1]
            some = _Rows(b, rows, shift, first, count, lanes)
            step = max(1, LINE // some.bytes)  # registers of a line
            factors = []
            for i in range(count):
                one = b.load(b.inttoptr(numbers.address(i), numbers.kind.as_pointer()))
                factors.append(spread(b, one, some.vector))
            height = rows.height
            behind = b.add(first, SIZE(count))
            is_there = b.icmp_signed("<=", b.add(behind, SIZE(count)), height)
            hop = b.select(is_there, b.mul(SIZE(count), rows.strides[0]), SIZE(0))
            elements = step * lanes
            whole = b.udiv(part.columns, SIZE(elements))
            with cgutils.for_range(b, whole) as loop:
                start = b.mul(loop.index, SIZE(elements))
                ahead = b.add(hop, b.mul(start, SIZE(rows.itemsize)))
                for row in some.starts if fetches else ():
                    prefetch(b, b.add(row, ahead))
                for register in range(step):
                    place = b.add(start, SIZE(register * lanes))
                    target = part.address(place)
                    total = part.load(target, lanes)
                    for x, factor in zip(some.deviations(place), factors):
                        total = call(
                            b, f"llvm.fmuladd.{suffix(some.vector)}", some.vector, x, factor, total
                        )
                    part.store(total, target)
            return b.mul(whole, SIZE(elements))

        return types.int64(rows, types.int64, shift, numbers, part), generate

    return kernel
