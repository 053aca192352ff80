"""Rows of a variable in a NetCDF file of the classic format (NetCDF-3), read from where they lie.

The header is as of the NetCDF Classic Format Specification: all numbers big-endian, everything on
four bytes. Variables of the unlimited dimension are stored record by record, all of them in turn.
"""

import mmap
from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import DataError
from ..units import listed
from .contents import SMALL
from .labels import Axis
from .missing import ATTRIBUTES, is_north
from .opened import register
from .turned import Turned

MAGIC = b"CDF"
TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"}
TYPES |= {7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}  # of version 5
DIMENSION, VARIABLE, ATTRIBUTE = 10, 11, 12
STREAMED = {4: 2**32 - 1, 8: 2**64 - 1}  # records that nobody has counted


@dataclass(frozen=True)
class Variable:
    """A variable as the header has it; ``is_record``: its first dimension is the unlimited one."""

    name: str
    dimensions: tuple
    shape: tuple
    dtype: np.dtype
    attributes: dict
    begin: int
    is_record: bool


class Header:
    """The header of an open file: ``variables`` {name: Variable}, bytes of a ``record``."""

    def __init__(self, view):
        self._view, self._at = view, 4
        version = view[3]
        if version not in (1, 2, 5):
            raise DataError(f"version {version} of the classic format is not known")
        self._long, self._offset = 8 if version == 5 else 4, 4 if version == 1 else 8
        count = self._number(self._long)
        self._dimensions = self._list(DIMENSION, self._dimension)
        self._list(ATTRIBUTE, self._attribute)
        found = self._list(VARIABLE, self._variable)
        records = [each for each in found if each[-1]]
        sizes = [self._padded(prod(each[2][1:]) * each[3].itemsize) for each in records]
        if len(records) == 1:  # alone, it is not padded
            sizes = [prod(records[0][2][1:]) * records[0][3].itemsize]
        self.record = sum(sizes)
        if count == STREAMED[self._long]:
            first = min((each[5] for each in records), default=0)
            count = (len(view) - first) // self.record if self.record else 0
        self.variables = {}
        for name, dimensions, shape, *rest in found:
            shape = (count, *shape[1:]) if rest[-1] else shape
            self.variables[name] = Variable(name, dimensions, shape, *rest)

    def _number(self, size):
        self._at += size
        if self._at > len(self._view):
            raise DataError("its header is cut off")
        return int.from_bytes(self._view[self._at - size : self._at], "big")

    @staticmethod
    def _padded(size):
        return -(-size // 4) * 4

    def _bytes(self, size):
        start = self._at
        self._at += self._padded(size)
        if self._at > len(self._view):
            raise DataError("its header is cut off")
        return self._view[start : start + size]

    def _name(self):
        return self._bytes(self._number(self._long)).decode(errors="replace")

    def _list(self, tag, one):
        found, count = self._number(4), self._number(self._long)
        if found not in (0, tag) or (found == 0 and count):
            raise DataError("its header makes no sense")
        return [one() for _ in range(count)]

    def _type(self):
        number = self._number(4)
        if number not in TYPES:
            raise DataError(f"its header has a type {number}")
        return np.dtype(TYPES[number])

    def _dimension(self):
        return self._name(), self._number(self._long)

    def _attribute(self):
        name, dtype, count = self._name(), self._type(), self._number(self._long)
        raw = self._bytes(count * dtype.itemsize)
        value = (
            raw if dtype.kind == "S" else np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
        )
        return name, value if dtype.kind == "S" or len(value) != 1 else value[0]

    def _variable(self):
        name = self._name()
        numbers = [self._number(self._long) for _ in range(self._number(self._long))]
        attributes = dict(self._list(ATTRIBUTE, self._attribute))
        dtype = self._type()
        self._number(self._long)  # its size, which may be wrong, and follows from its shape
        begin = self._number(self._offset)
        dimensions = tuple(self._dimensions[number][0] for number in numbers)
        shape = tuple(self._dimensions[number][1] for number in numbers)
        return name, dimensions, shape, dtype, attributes, begin, bool(shape) and shape[0] == 0


class ClassicRows(Turned):
    """The rows of the variable that is named, or of the one that is meant."""

    suffixes = (".nc", ".cdf", ".nc3", ".ncdf")

    def __init__(self, path, dataset=None, cache=0):
        self.path = path
        self._map, self._header = _opened(path)
        variables = self._header.variables
        self.dataset = dataset or meant(variables, path)
        if self.dataset not in variables:
            raise DataError(
                f"{path} has no variable {self.dataset}; it has {listed(list(variables))}"
            )
        self._variable = variables[self.dataset]
        self.extent, self.dtype = self._variable.shape, self._variable.dtype
        if len(self.extent) < 2:
            raise DataError(
                f"{self.name} has shape {self.extent}; at least two dimensions (rows = samples,"
                " columns = features) are needed"
            )
        self.turn(0)
        self._values = self._array(self._variable)

    @classmethod
    def takes(cls, path):
        """As of ``OpenRows``: by its first bytes, since NetCDF-4 has the same suffix."""
        if not path.lower().endswith(cls.suffixes):
            return False
        try:
            with open(path, "rb") as file:
                return file.read(3) == MAGIC
        except OSError:
            return False

    def _array(self, variable):
        """The values of a variable, where they lie."""
        shape, dtype = variable.shape, variable.dtype
        strides = [prod(shape[axis + 1 :]) * dtype.itemsize for axis in range(len(shape))]
        if variable.is_record:
            strides[0] = self._header.record
        last = sum(step * (length - 1) for step, length in zip(strides, shape))
        wanted = variable.begin + last + dtype.itemsize if prod(shape) else 0
        if wanted > len(self._map):
            raise DataError(
                f"{self.path} is truncated: {len(self._map)} bytes, and {variable.name} ends at"
                f" {wanted}; write it again"
            )
        return np.ndarray(shape, dtype, self._map, variable.begin, tuple(strides))

    @property
    def attributes(self):
        """Attributes of the variable that say what its values mean."""
        own = self._variable.attributes
        return {name: own[name] for name in ATTRIBUTES if name in own}

    def axes(self):
        """As of ``OpenRows``: by the coordinates, variables called as their dimension."""
        found = []
        for name, length in zip(self._variable.dimensions, self.extent):
            known = self._header.variables.get(name)
            if known is None or known.shape != (length,) or known.dtype.kind == "S":
                found.append(Axis(name))
                continue
            values = self._array(known)
            units = known.attributes.get("units", b"")
            units = units.decode(errors="replace") if isinstance(units, bytes) else ""
            found.append(Axis(name, values.astype(values.dtype.newbyteorder("=")), units))
        return tuple(found)

    def latitudes(self):
        """As of ``OpenRows``: of the coordinate whose units are degrees north."""
        for axis, name in enumerate(self._variable.dimensions):
            coordinate = self._header.variables.get(name)
            if (
                coordinate is None
                or axis == self._axis
                or not is_north(coordinate.attributes.get("units", b""))
            ):
                continue
            shape = [1] * len(self.extent)
            shape[axis] = -1
            values = self._array(coordinate).astype(np.float64).reshape(shape)
            return np.take(np.broadcast_to(values, self.extent), 0, axis=self._axis).ravel()
        return super().latitudes()

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``."""
        self.gather(self._values, start, stop, out)


def _opened(path):
    """Return a file in memory, as far as it is looked at, and its ``Header``; raise DataError."""
    with open(path, "rb") as file:
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return view, Header(view)
    except IndexError:
        why = "its header makes no sense"
    except DataError as error:
        why = str(error)
    raise DataError(f"{path} is not a NetCDF file that can be read: {why}")


def meant(variables, path):
    """Name of the variable that is meant if none is named; raise DataError if it is unclear."""
    sizes = {
        each.name: prod(each.shape)
        for each in variables.values()
        if len(each.shape) > 1 and each.dtype.kind != "S"
    }
    if not sizes:
        raise DataError(f"{path} has no variable of two or more dimensions; name another file")
    chosen = max(sizes, key=sizes.get)
    others = [name for name in sizes if name != chosen and sizes[name] >= SMALL * sizes[chosen]]
    if others:
        raise DataError(
            f"{path} holds several variables that may be meant; name one:"
            f" {listed([f'{path}:{name}' for name in (chosen, *others)])}"
        )
    return chosen


def describe(path):
    """Return lines on what a file holds; raise DataError."""
    header = _opened(path)[1]
    lines = [f"{path}: data, NetCDF-3, {len(header.variables)} variable(s)"]
    for each in sorted(header.variables.values(), key=lambda each: -prod(each.shape)):
        size = " × ".join(map(str, each.shape)) or "scalar"
        lines.append(f"  {each.name}: {size} {each.dtype.newbyteorder('=')}")
    return lines


register("netcdf3", ClassicRows)
