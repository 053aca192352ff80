"""Weights of columns, of a file or by latitude; and of rows."""

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
    return _checked(found, width, f"--column-weights {text}", "columns")


def row_weights(text, source):
    """Return the weights (n) of the rows that a source takes, as --row-weights names those of all
    rows; raise DataError. For one rank to call.
    """
    numbers, count = source.numbers(), sum(part.height for part in source.parts)
    found = np.ravel(read_array(*split_dataset(text), dimensions=1)).astype(np.float64)
    name = f"--row-weights {text}"
    return _checked(_checked(found, count, name, "rows")[numbers], source.n, name, "rows")


def _checked(found, count, name, what):
    """Weights, if they are so many numbers; raise DataError."""
    if found.shape != (count,):
        raise DataError(f"{name}: {found.size} weights for {count} {what}")
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise DataError(f"{name}: weights are numbers from 0 on, and not all 0")
    return found
