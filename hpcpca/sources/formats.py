"""The formats of data files: a line for each file that registers one."""

from ..errors import DataError
from ..files.opening import CHUNK_CACHE
from . import (  # each registers itself
    compound,  # noqa: F401
    hdf5,
    held_rows,  # noqa: F401
    netcdf3,  # noqa: F401
    npy,  # noqa: F401
    sparse,  # noqa: F401
)
from .opened import FORMATS, TWO


def open_rows(path, dataset=None, axis=0, cache=CHUNK_CACHE, least=2):
    """Return the ``OpenRows`` of a file, of the format that takes it; one that no other does is
    taken for HDF5. Raise DataError.

    ``axis`` is that of the samples; fewer than ``least`` dimensions are refused.
    """
    others = (kind for kind in FORMATS.values() if kind is not hdf5.Hdf5Rows)
    kind = next((kind for kind in others if kind.takes(path)), hdf5.Hdf5Rows)
    opened = kind.opened(path, dataset, cache)
    try:
        extent = opened.extent or opened.shape
        if len(extent) < least:
            beside = "; beside other datasets it is a column: --join" if len(extent) == 1 else ""
            raise DataError(f"{opened.name} has shape {extent}; {TWO}{beside}")
        opened.turn(axis)
    except BaseException:
        opened.close()
        raise
    return opened


def suffixes():
    """Suffixes of files that are taken for data if a folder is named."""
    return tuple(suffix for kind in FORMATS.values() if kind.in_folders for suffix in kind.suffixes)
