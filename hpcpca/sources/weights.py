"""Weights of columns: of a file, or by latitude."""

import numpy as np

from ..errors import DataError
from ..files.paths import split_dataset
from .array import read_array

COSLAT = "coslat"


def column_weights(text, source):
    """Return the weights (width) of all columns that the files of a source have, as
    --column-weights names them; raise DataError. For one rank to call.
    """
    width = source.view.width
    if text == COSLAT:
        with source.open(0) as opened:
            found = np.clip(np.cos(np.deg2rad(opened.latitudes())), 0, None)
    else:
        found = np.ravel(read_array(*split_dataset(text), dimensions=1)).astype(np.float64)
    if found.shape != (width,):
        raise DataError(f"--column-weights {text}: {found.size} weights for {width} columns")
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise DataError(f"--column-weights {text}: weights are numbers from 0 on, and not all 0")
    return found
