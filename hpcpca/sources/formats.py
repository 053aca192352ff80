"""The formats of data files. A new one is a file with its ``OpenRows``, and a line here."""

from ..files.opening import CHUNK_CACHE
from .hdf5 import Hdf5Rows

FORMATS = {"hdf5": Hdf5Rows}


def open_rows(path, dataset=None, cache=CHUNK_CACHE):
    """Return the ``OpenRows`` of a file, by its suffix; a file with any other is taken for HDF5."""
    kind = next((k for k in FORMATS.values() if path.lower().endswith(k.suffixes)), Hdf5Rows)
    return kind(path, dataset, cache)


def suffixes():
    """Suffixes of files that are taken for data if a folder is named."""
    return tuple(suffix for kind in FORMATS.values() for suffix in kind.suffixes)
