"""Opens HDF5 files for reading: whatever is wrong with one becomes one line."""

import os
import stat

import h5py

from ..errors import DataError, describe
from .trailer import check_trailer

CHUNK_CACHE = 1 << 20  # HDF5's own default


def unlocked(path, cache=CHUNK_CACHE):
    """Open an HDF5 file for reading without locking it, unless this process has it open, locked:
    HDF5 wants it the same way again then. Raise OSError.
    """
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=cache)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r", rdcc_nbytes=cache)


def open_file(path, cache=CHUNK_CACHE):
    """Open an HDF5 file for reading, with a ``cache`` of so many bytes for chunks; raise
    DataError in one line for whatever is wrong with it.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{path} is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} is not a regular file")
        if os.path.getsize(path) == 0:
            raise DataError(
                f"{path} is empty (0 bytes); it was perhaps never written to the end: write it"
                " again, or leave it out"
            )
        check_trailer(path)
        return unlocked(path, cache)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name and the current folder") from None
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied") from None
    except OSError as error:
        if not h5py.is_hdf5(path):
            raise DataError(
                f"{path} is not an HDF5 file; name another, or convert it: 'hpcpca data import'"
                " takes CSV, .npy and Parquet"
            ) from None
        raise DataError(
            f"{path} cannot be opened: {describe(error)}; it may be truncated or still being"
            " written"
        ) from None
