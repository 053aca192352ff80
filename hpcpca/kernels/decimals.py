"""Numbers in text → float64, correctly rounded: a piece of whole lines at a time.

Numbers of up to 19 digits are read here; lines with anything else are left to others. Of a mantissa
w and an exponent q, w·10^q is exact in float64 if both are small (Clinger, 1990). Otherwise the
method of Eisel and Lemire (Lemire, 2021: Number parsing at a gigabyte per second) multiplies w by
the first 64 or 128 bits of 10^q, and says if that does not decide how the product is rounded.
"""

import numpy as np

from .jit import exact, merged

TAB, SPACE, QUOTE = 9, 32, 34
PLUS, MINUS, POINT, ZERO, NINE = 43, 45, 46, 48, 57
LOWER = 32  # what makes a letter lower case
BLANKS = -1  # as the delimiter: any run of blanks
FAILED = -1
MOST_DIGITS = 19  # fewer than 2⁶⁴
LEAST, MOST = -307, 308  # exponents of ten with a table


def _power(exponent):
    """The first 128 bits of 10^exponent, rounded down: (first 64, last 64)."""
    if exponent >= 0:
        found = 10**exponent
        shift = 128 - found.bit_length()
        found = found << shift if shift >= 0 else found >> -shift
    else:
        divisor = 10**-exponent
        found = (1 << (127 + divisor.bit_length())) // divisor
        found >>= found.bit_length() - 128
    return found >> 64, found & (1 << 64) - 1


POWERS = np.array([_power(exponent) for exponent in range(LEAST, MOST + 1)], np.uint64)
EXACT = np.array([10.0**exponent for exponent in range(23)])
ALL = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def parse(data, bounds, mark, targets, out):
    """out (rows, …) float64 ← the numbers in lines of a text (uint8), each within its ``bounds``
    (rows, 2).

    ``mark`` is the delimiter; field j goes to column ``targets[j]``, or nowhere if that is
    negative. Return which rows are odd and were not read.
    """
    odd = np.empty(len(out), np.bool_)
    parse_lines(data, bounds, mark, targets, out, out.view(np.uint64), odd)
    return odd


@exact
def parse_lines(data, bounds, mark, targets, out, bits, odd):
    """``parse``; bits (rows, …) uint64 are those of ``out``, odd (rows) bool is what it returns."""
    for row in range(len(out)):
        line = data[bounds[row, 0] : bounds[row, 1]]
        odd[row] = not parse_line(line, mark, targets, out[row], bits[row])


@merged
def parse_line(line, mark, targets, out, bits):
    """Read one line, as ``parse``; return whether it could be. ``bits`` are those of ``out``."""
    at, column = 0, 0
    while True:
        at = after_blanks(line, at, mark)
        if column == len(targets):
            return at == len(line) and mark == BLANKS
        if at == len(line) and mark == BLANKS:
            return False
        target = targets[column]
        at = (
            after_field(line, at, mark) if target < 0 else number(line, at, mark, target, out, bits)
        )
        if at == FAILED:
            return False
        begin, column = at, column + 1
        at = after_blanks(line, at, mark)
        if at == len(line):
            return column == len(targets)
        if mark == BLANKS:
            if at == begin:
                return False
        elif line[at] != mark:
            return False
        else:
            at += 1


@merged
def after_blanks(line, at, mark):
    """The next place without a blank."""
    while at < len(line) and (line[at] == SPACE or (line[at] == TAB and mark != TAB)):
        at += 1
    return at


@merged
def after_field(line, at, mark):
    """Where a field ends that nobody wants, or ``FAILED``."""
    if at < len(line) and line[at] == QUOTE:
        if mark == BLANKS:
            return FAILED
        at += 1
        while at < len(line):
            if line[at] == QUOTE:
                if at + 1 == len(line) or line[at + 1] != QUOTE:
                    return at + 1
                at += 1
            at += 1
        return FAILED
    while at < len(line) and line[at] != mark:
        if mark == BLANKS and (line[at] == SPACE or line[at] == TAB):
            break
        at += 1
    return at


@merged
def number(line, at, mark, target, out, bits):
    """out[target] ← the number at a place, NaN if there is none; return where it ends, or
    ``FAILED``.
    """
    is_quoted = at < len(line) and line[at] == QUOTE
    at += is_quoted
    if at == len(line) or line[at] == (QUOTE if is_quoted else mark):
        out[target] = np.nan
        return at + is_quoted if at < len(line) or not is_quoted else FAILED
    if is_nan(line, at):
        out[target] = np.nan
        at += 3
    else:
        at = signed(line, at, target, out, bits)
    if at == FAILED or not is_quoted:
        return at
    return at + 1 if at < len(line) and line[at] == QUOTE else FAILED


@merged
def is_nan(line, at):
    """Whether the letters of NaN stand at a place, large or small."""
    if at + 3 > len(line):
        return False
    return line[at] | LOWER == 110 and line[at + 1] | LOWER == 97 and line[at + 2] | LOWER == 110


@merged
def signed(line, at, target, out, bits):
    """As ``number``, of digits with a sign, a point and an exponent."""
    is_negative = line[at] == MINUS
    at += line[at] == MINUS or line[at] == PLUS
    mantissa, digits, exponent, begin, point = np.uint64(0), 0, 0, at, -1
    while at < len(line):
        byte = line[at]
        if ZERO <= byte <= NINE:
            digits += digits > 0 or byte != ZERO
            mantissa = mantissa * np.uint64(10) + np.uint64(byte - ZERO)
        elif byte == POINT and point < 0:
            point = at
        else:
            break
        at += 1
    if digits > MOST_DIGITS or at - begin - (point >= 0) == 0:
        return FAILED
    if point >= 0:
        exponent = point + 1 - at
    if at < len(line) and line[at] | LOWER == 101:
        at, power = whole(line, at + 1)
        if at == FAILED:
            return FAILED
        exponent += power
    return at if rounded(mantissa, exponent, is_negative, target, out, bits) else FAILED


@merged
def whole(line, at):
    """(Where a whole number at a place ends, the number), or (``FAILED``, 0)."""
    is_negative = at < len(line) and line[at] == MINUS
    at += at < len(line) and (line[at] == MINUS or line[at] == PLUS)
    begin, found = at, 0
    while at < len(line) and ZERO <= line[at] <= NINE:
        found = min(10 * found + line[at] - ZERO, 100_000)
        at += 1
    return (at, -found if is_negative else found) if at > begin else (FAILED, 0)


@merged
def rounded(mantissa, exponent, is_negative, target, out, bits):
    """out[target] ← ±mantissa·10^exponent, to the nearest; return whether that is sure."""
    if mantissa == 0:
        out[target] = -0.0 if is_negative else 0.0
        return True
    if mantissa <= np.uint64(1) << np.uint64(53) and -23 < exponent < 23:
        value = np.float64(mantissa)
        value = value * EXACT[exponent] if exponent >= 0 else value / EXACT[-exponent]
        out[target] = -value if is_negative else value
        return True
    if not LEAST <= exponent <= MOST:
        return False
    found = eisel_lemire(mantissa, exponent)
    if found == 0:
        return False
    bits[target] = found | (np.uint64(is_negative) << np.uint64(63))
    return True


@merged
def eisel_lemire(mantissa, exponent):
    """The bits of the float64 nearest to mantissa·10^exponent, or 0 if it is not clear, subnormal
    or too large.
    """
    one, nine, low_bits = np.uint64(1), np.uint64(9), np.uint64(0x1FF)
    zeros = leading_zeros(mantissa)
    mantissa <<= np.uint64(zeros)
    binary = ((217706 * exponent) >> 16) + 64 + 1023 - zeros
    power = POWERS[exponent - LEAST]
    high, low = product(mantissa, power[0])
    if high & low_bits == low_bits and low + mantissa < mantissa:
        more, rest = product(mantissa, power[1])
        total = low + more
        if total < low:
            high += one
        if high & low_bits == low_bits and total + one == 0 and rest + mantissa < mantissa:
            return np.uint64(0)
        low = total
    top = high >> np.uint64(63)
    found = high >> (top + nine)
    binary -= 1 - np.int64(top)
    if low == 0 and high & low_bits == 0 and found & np.uint64(3) == one:
        return np.uint64(0)  # half-way, as far as the table knows
    found = (found + (found & one)) >> one
    if found >> np.uint64(53):
        found >>= one
        binary += 1
    if not 1 <= binary < 2047:
        return np.uint64(0)
    return (np.uint64(binary) << np.uint64(52)) | (found & ((one << np.uint64(52)) - one))


@merged
def leading_zeros(value):
    """How many of the 64 bits before the first one are zero."""
    found = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> np.uint64(64 - step) == 0:
            value <<= np.uint64(step)
            found += step
    return found


@merged
def product(left, right):
    """The 128 bits of a product: (first 64, last 64)."""
    a, b = left >> HALF, left & ALL
    c, d = right >> HALF, right & ALL
    low = b * d
    middle = (low >> HALF) + ((a * d) & ALL) + ((b * c) & ALL)
    high = a * c + ((a * d) >> HALF) + ((b * c) >> HALF) + (middle >> HALF)
    return high, (middle << HALF) | (low & ALL)


def warm_up():
    """Compile all of it, or load what was compiled before."""
    data, bounds = np.frombuffer(b"1.5,2", np.uint8), np.array([[0, 5]])
    parse(data, bounds, ord(","), np.array([0, 1]), np.empty((1, 2)))
