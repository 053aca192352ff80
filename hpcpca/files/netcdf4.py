"""NetCDF-4 by h5py: HDF5 with dimension scales.

As of the NetCDF documentation, "NetCDF-4/HDF5 File Format": a dimension is a scale, a coordinate a
variable of the same name; one without has values that nobody reads, and a name that says so.
"""

import h5py
import numpy as np

PHONY = "This is a netCDF dimension but not a netCDF variable.%10d"
STRING = h5py.string_dtype()


class Dataset:
    """An open file that becomes NetCDF-4."""

    def __init__(self, file):
        self._file, self._dimensions = file, []

    def dimension(self, name, length, values=None, units=""):
        """Define a dimension, with coordinates (length) if there are any: numbers, or text in UTF-8
        bytes. Return the name that it has got: one that is taken is numbered.
        """
        name = self._free(name)
        if values is None:
            item = self._file.create_dataset(name, (length,), ">f4")
            item.make_scale(PHONY % length)
        else:
            item = self._file.create_dataset(name, data=_text(values))
            item.make_scale(name)
            if units:
                self.describe(item, units=units)
        item.attrs["_Netcdf4Dimid"] = np.int32(len(self._dimensions))
        self._dimensions.append(name)
        return name

    def _free(self, name):
        name, number = name.replace("/", "_") or "axis", 2
        wanted = name
        while name in self._file:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def length(self, dimension):
        """Of a dimension."""
        return len(self._file[dimension])

    def variable(self, name, dtype, dimensions, **attributes):
        """Return a new dataset over dimensions, to be filled; floats that are missing are NaN."""
        shape = [len(self._file[each]) for each in dimensions]
        item = self._file.create_dataset(name, shape, dtype)
        if np.dtype(dtype).kind == "f":
            item.attrs["_FillValue"] = np.array([np.nan], dtype)
        for axis, each in enumerate(dimensions):
            item.dims[axis].attach_scale(self._file[each])
        return self.describe(item, **attributes)

    def describe(self, item=None, **attributes):
        """Give a dataset, or the whole file, attributes of text and numbers; return it."""
        item = self._file if item is None else item
        for name, value in attributes.items():
            text = isinstance(value, str)
            item.attrs[name] = np.bytes_(value.encode()) if text else value
        return item


def _text(values):
    """Values of a coordinate as NetCDF has them: text as strings of any length."""
    if values.dtype.kind == "S":
        return np.array([each.decode() for each in values], dtype=object)
    return values.astype(np.int8) if values.dtype.kind == "b" else values
