"""Rows of an array in numpy's ``.npy`` format, read from where they lie in the file."""

import os
from math import prod

import numpy as np

from ..errors import DataError, describe
from .array import MALFORMED, refuse_special
from .lying import CannotMap
from .opened import register
from .turned import Turned


class NpyRows(Turned):
    """The rows of one file."""

    suffixes = (".npy",)
    in_folders = False  # beside HDF5 files they are masks, means, anything

    def __init__(self, path, dataset=None, cache=0):
        self.path = path
        if dataset:
            raise DataError(f"{path}:{dataset}: a .npy file has one array; name the file alone")
        refuse_special(path)
        try:
            self._file = open(path, "rb")
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; check the name and the current folder"
            ) from None
        try:
            self._read_header()
        except MALFORMED as error:
            self.close()
            raise DataError(
                f"{path} is not a .npy file that can be read: {describe(error)}"
            ) from None
        except DataError:
            self.close()
            raise

    def _read_header(self):
        version = np.lib.format.read_magic(self._file)
        header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        self.extent, self._is_fortran, self.dtype = header(self._file)
        self._begin = self._file.tell()
        if self.dtype.hasobject:
            raise DataError(f"{self.path} holds objects; real numbers are needed")
        if not self.extent:
            raise DataError(f"{self.path} is a single value; a list is needed")
        self.turn(0)
        wanted = self._begin + prod(self.extent) * self.dtype.itemsize
        if (size := os.fstat(self._file.fileno()).st_size) < wanted:
            raise DataError(f"{self.path} is truncated: {size} of {wanted} bytes; write it again")

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``; raise DataError."""
        if self._axis == 0 and not self._is_fortran and out.dtype == self.dtype:
            view = memoryview(out).cast("B")
            at = self._begin + start * self.shape[1] * self.dtype.itemsize
            self._file.seek(at)
            if self._file.readinto(view) < len(view):
                raise DataError(f"{self.path} was cut short while it was read")
            return
        order = "F" if self._is_fortran else "C"
        mapped = np.memmap(self._file, self.dtype, "r", self._begin, self.extent, order)
        self.gather(mapped, start, stop, out)

    def runs(self):
        """As of ``OpenRows``."""
        if self._axis or self._is_fortran:
            raise CannotMap("has its samples along another axis")
        return np.array([[0, self.shape[0], self._begin]])

    def close(self):
        """Close the file."""
        self._file.close()


register("npy", NpyRows)
