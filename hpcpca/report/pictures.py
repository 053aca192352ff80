"""What pictures components are: of the shape that samples had, or of one that is given."""

from math import prod

import numpy as np

from ..errors import UsageError

STORED = "stored"  # stands for the shape that samples had
COLOURS = 3  # red, green and blue, along the last axis


def framed(stored, sides, shapes):
    """Return the ``sides`` {name: rows (count, entries)} of a ``Stored`` result and the ``shapes``
    that they are drawn in, with the samples' own in place of ``STORED``; raise UsageError.

    Components of some of the columns become NaN in the others, if a shape has pixels for all.
    """
    shapes = [of_samples(stored) if shape == STORED else shape for shape in shapes]
    columns, width = stored.arrays.get("columns"), stored.source[0]["columns"]
    if columns is None or width not in map(prod, shapes):
        return sides, shapes
    return {name: _spread(rows, columns, width) for name, rows in sides.items()}, shapes


def of_samples(stored):
    """The (rows, columns) of a picture, or (rows, columns, 3), that each sample of a ``Stored``
    result was; raise UsageError if it was none.
    """
    shape = tuple(int(length) for length in stored.attributes.get("feature_shape", ()))
    if len(shape) == 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] == COLOURS):
        return shape
    had = f"have shape {' × '.join(map(str, shape))}" if shape else "have one axis"
    raise UsageError(
        f"--images: the samples of {stored.path} {had}, and are no pictures; give --images HxW, or"
        " --lines"
    )


def _spread(rows, columns, width):
    whole = np.full((len(rows), width), np.nan)
    whole[:, columns] = rows
    return whole
