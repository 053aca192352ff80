"""What the rows of scores are called, as the files say that these were made from."""

import json

import numpy as np

from ..errors import HpcpcaError
from ..files.opening import open_file
from ..files.seal import reading_own
from ..sources.formats import open_rows
from ..sources.labels import Axis


def of_scores(path):
    """Return the ``Axis`` of the rows of a file of scores; one without values if it is not known,
    since files have gone, or some rows were left out.
    """
    with reading_own(path), open_file(path) as file:
        parts, count = json.loads(file.attrs["source"]), int(file.attrs["n_samples"])
    found = [axis for axis in map(_of_part, parts) if axis is not None]
    name = found[0].name if found else ""
    kinds = {axis.values.dtype.kind for axis in found if axis.values is not None}
    if len(found) < len(parts) or len(kinds) != 1 or any(a.values is None for a in found):
        return Axis(name)
    values = np.concatenate([axis.values for axis in found])
    return Axis(name, values, found[0].units) if len(values) == count else Axis(name)


def _of_part(part):
    """The axis of the samples of one file, or None."""
    try:
        with open_rows(part["path"], part["dataset"] or None, part.get("axis", 0)) as opened:
            axes = opened.axes()
    except (HpcpcaError, OSError):
        return None
    return axes[part.get("axis", 0)] if axes else None
