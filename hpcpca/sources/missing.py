"""Attributes that say what values mean, as in NetCDF: missing ones, packed ones, latitudes."""

import math
import sys
from dataclasses import dataclass

import h5py
import numpy as np

from ..errors import DataError
from ..files.damage import RAISED

FILLS = ("_FillValue", "missing_value")
PACKING = {"scale_factor": 1, "add_offset": 0}  # and their values if nothing is packed
ATTRIBUTES = (*FILLS, "valid_min", "valid_max", "valid_range", *PACKING, "_Unsigned")

NORTH = ("degreesnorth", "degreenorth", "degreesn", "degreen")


@dataclass(frozen=True)
class Missing:
    """Values that stand for missing ones: fill values, and those outside of [low, high].

    Each goes with the name of its attribute.
    """

    fills: tuple  # of (value, name)
    low: tuple  # (value, name), or ()
    high: tuple

    def may_be_among(self, least, most):
        """Whether rows with such a smallest and largest value may hold a missing one."""
        is_outside = (self.low and least < self.low[0]) or (self.high and most > self.high[0])
        return bool(is_outside) or any(least <= value <= most for value, _ in self.fills)

    def among(self, rows):
        """Which of ``rows`` are missing values: bool array of their shape."""
        found = np.zeros(rows.shape, bool)
        for value, _ in self.fills:
            found |= rows == value
        if self.low:
            found |= rows < self.low[0]
        if self.high:
            found |= rows > self.high[0]
        return found

    def reason(self, value):
        """Why a value counts as missing."""
        for fill, name in self.fills:
            if value == fill:
                return f"which stands for a missing value (attribute {name})"
        is_low = self.low and value < self.low[0]
        bound, name = self.low if is_low else self.high
        return f"{'less' if is_low else 'more'} than is valid (attribute {name}: {bound})"


def read_attributes(item):
    """{name: value} of the attributes about values; "" for an unreadable one."""
    found = {name: _value(item, name) for name in ATTRIBUTES if name in item.attrs}
    return {name: value for name, value in found.items() if not isinstance(value, h5py.Empty)}


def _value(item, name):
    try:
        return item.attrs[name]
    except RAISED:
        return ""


def missing_values(attributes, dtype):
    """Return the ``Missing`` that attributes declare for values of ``dtype``, or None.

    A number that ``dtype`` does not hold cannot be among them, and is ignored.
    """

    def numbers(*names):
        return [(number, name) for name in names for number in _numbers(attributes.get(name, ()))]

    both = numbers("valid_range")
    low, high = (both[:1], both[1:]) if len(both) == 2 else ([], [])
    fills = _held(numbers(*FILLS), dtype)
    low = _held(numbers("valid_min") + low, dtype, math.ceil)
    high = _held(numbers("valid_max") + high, dtype, math.floor)
    if not (fills or low or high):
        return None
    return Missing(tuple(fills), max(low, default=()), min(high, default=()))


@dataclass(frozen=True)
class Packing:
    """Values are ``scale`` times what is stored, plus ``offset``; and what is stored is unsigned,
    whatever its type says, if ``is_unsigned``.
    """

    scale: float = 1.0
    offset: float = 0.0
    is_unsigned: bool = False

    def raw(self, rows):
        """Stored values in the type that they are meant in; a view."""
        is_signed = rows.dtype.kind == "i" and self.is_unsigned
        return rows.view(rows.dtype.str.replace("i", "u")) if is_signed else rows

    def unpack(self, out):
        """Stored values, in a float type, become those that are meant."""
        if self.scale != 1:
            out *= out.dtype.type(self.scale)
        if self.offset:
            out += out.dtype.type(self.offset)


@dataclass(frozen=True)
class Meaning:
    """What stored values mean: which are ``missing`` (a ``Missing``), how they are packed (a
    ``Packing``); None: none, and not at all.
    """

    missing: Missing | None = None
    packing: Packing | None = None


def packing_of(attributes, name):
    """Return the ``Packing`` of dataset ``name``, or None; raise DataError if it is not clear."""
    unsigned = attributes.get("_Unsigned", b"")
    unsigned = getattr(unsigned, "decode", lambda: str(unsigned))().lower() == "true"
    found = {}
    for attribute, neutral in PACKING.items():
        numbers = _numbers(attributes[attribute]) if attribute in attributes else [neutral]
        if len(numbers) != 1:
            raise DataError(
                f"{name} is packed: its {attribute}, {attributes[attribute]}, is no number; unpack"
                " it first, for instance with 'ncpdq -U'"
            )
        found[attribute] = float(numbers[0])
    packing = Packing(found["scale_factor"], found["add_offset"], unsigned)
    return None if packing == Packing() else packing


def check_packing(attributes, name):
    """Raise DataError if the values of dataset ``name`` are packed."""
    if packing := packing_of(attributes, name):
        raise DataError(
            f"{name} is packed ({packing}), which is not undone here; unpack it first, for instance"
            " with 'ncpdq -U'"
        )


def is_north(units):
    """Whether the ``units`` attribute of a coordinate says that it is a latitude (CF)."""
    text = units.decode(errors="replace") if isinstance(units, bytes) else str(units)
    return text.lower().replace("_", "") in NORTH


def _numbers(value):
    """Finite numbers of an attribute: a scalar, an array, or text with numbers in it."""
    found = []
    for each in np.ravel(value).tolist():
        if isinstance(each, bytes):
            each = each.decode(errors="replace")
        for word in each.replace(",", " ").split() if isinstance(each, str) else [each]:
            found += _number(word)
    return found


def _number(word):
    """[``word`` as a number], or [] if it is none, or not finite."""
    if isinstance(word, int):
        return [word]
    for kind in (int, float) if isinstance(word, str) else (float,):
        try:
            number = kind(word)
        except (TypeError, ValueError):
            continue
        return [number] if abs(number) <= sys.float_info.max else []
    return []


def _held(numbers, dtype, whole=None):
    """[(value, name)] of those [(number, name)] that ``dtype`` holds; ``whole`` rounds integers."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            values = [(dtype.type(number), name) for number, name in numbers]
        return [(value, name) for value, name in values if np.isfinite(value)]
    change = whole or (lambda number: _same_bits(number, dtype))
    numbers = [(change(number), name) for number, name in numbers]
    limits = np.iinfo(dtype)
    return [
        (dtype.type(int(number)), name)
        for number, name in numbers
        if limits.min <= number <= limits.max and number == int(number)
    ]


def _same_bits(number, dtype):
    """A number that only the integers of the other signedness hold, as ``dtype`` reads its bits."""
    limits, bits = np.iinfo(dtype), 8 * dtype.itemsize
    if limits.min == 0:
        return number + 2**bits if -(2 ** (bits - 1)) <= number < 0 else number
    return number - 2**bits if limits.max < number < 2**bits else number
