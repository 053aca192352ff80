"""The layout of AnnData in HDF5: elements that say by ``encoding-type`` what they are.

As of the documentation of anndata, "On-disk format" (since version 0.8).
"""

import h5py
import numpy as np

from ..errors import DataError

DICTS = ("layers", "obsm", "obsp", "uns", "varm", "varp")
STRING = h5py.string_dtype()


def begin(file, observations, variables):
    """Make an empty AnnData of so many named observations and variables (lists of str)."""
    _encoded(file, "anndata", "0.1.0")
    for name, index in (("obs", observations), ("var", variables)):
        frame = _encoded(file.create_group(name), "dataframe", "0.2.0")
        frame.attrs["_index"] = "_index"
        frame.attrs.create("column-order", np.array([], dtype=object), dtype=STRING)
        values = frame.create_dataset("_index", (len(index),), STRING)
        values[...] = np.array(index, dtype=object)
        _encoded(values, "string-array", "0.2.0")
    for name in DICTS:
        table(file, name)


def table(parent, name):
    """The mapping called ``name`` in a group; made if it is not there."""
    if name in parent:
        return parent[name]
    return _encoded(parent.create_group(name), "dict", "0.1.0")


def array(parent, name, shape, dtype):
    """A new array of this shape, to be filled."""
    return _encoded(parent.create_dataset(name, shape, dtype), "array", "0.2.0")


def scalar(parent, name, value):
    """A new number, truth value or text."""
    is_text = isinstance(value, str)
    made = parent.create_dataset(name, data=value, dtype=STRING if is_text else None)
    return _encoded(made, "string" if is_text else "numeric-scalar", "0.2.0")


def sizes(file, path):
    """(Observations, variables) of an open AnnData file; raise DataError if it is none."""
    found = []
    for name in ("obs", "var"):
        frame = file.get(name)
        index = frame.attrs.get("_index", "_index") if isinstance(frame, h5py.Group) else None
        if index is None or index not in frame:
            raise DataError(f"{path} is no AnnData file (it has no {name} with an index)")
        found.append(len(frame[index]))
    return tuple(found)


def names(file, name):
    """The index of ``obs`` or ``var``: list of str."""
    index = file[name].attrs.get("_index", "_index")
    return [each.decode() if isinstance(each, bytes) else str(each) for each in file[name][index]]


def _encoded(item, kind, version):
    item.attrs["encoding-type"], item.attrs["encoding-version"] = kind, version
    return item
