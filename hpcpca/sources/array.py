"""A small array, read whole: of a ``.npy`` file or a dataset."""

import os
from tokenize import TokenError

import numpy as np

from ..errors import DataError, describe
from ..files.damage import reporting_damage
from ..files.opening import open_file
from .compound import field_of
from .hdf5 import find_dataset
from .held import ARRAYS

MALFORMED = (ValueError, EOFError, SyntaxError, TokenError)  # numpy parses the header as Python


def read_array(path, dataset=None, dimensions=2):
    """Return the array that is held under this name, or that in a ``.npy`` file, or the dataset of
    so many dimensions that is named, or meant if it is 2-D, or the field of records named as
    DATASET/FIELD; raise DataError.
    """
    if path in ARRAYS:
        return np.asarray(ARRAYS[path])
    if path.endswith(".npy"):
        return _npy(path)
    with reporting_damage(path), open_file(path) as file:
        if dataset and (field := field_of(file, dataset)):
            return field[0][field[1]]
        return find_dataset(file, path, dataset, dimensions)[...]


def refuse_special(path):
    """Raise DataError for what is there and no regular file."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise DataError(f"{path} is not a regular file")


def _npy(path):
    refuse_special(path)
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name and the current folder") from None
    except (OSError, *MALFORMED) as error:
        raise DataError(f"{path} is not a .npy file that can be read: {describe(error)}") from None
