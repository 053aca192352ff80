"""A small array, read whole: of a ``.npy`` file or a dataset."""

import os
from tokenize import TokenError

import numpy as np

from ..errors import DataError, describe
from ..files.damage import reporting_damage
from ..files.opening import open_file
from .hdf5 import find_dataset


def read_array(path, dataset=None):
    """Return the array in a ``.npy`` file, or the 2-D dataset that is named or meant; raise
    DataError.
    """
    if path.endswith(".npy"):
        return _npy(path)
    with reporting_damage(path), open_file(path) as file:
        return find_dataset(file, path, dataset)[...]


def _npy(path):
    if os.path.exists(path) and not os.path.isfile(path):
        raise DataError(f"{path} is not a regular file")
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name and the current folder") from None
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        TokenError,
    ) as error:  # numpy parses the header as Python
        raise DataError(f"{path} is not a .npy file that can be read: {describe(error)}") from None
