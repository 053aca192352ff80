"""What checkpoints keep of sums that a run was stopped in, and how a run takes them up."""

from dataclasses import dataclass

import numpy as np

from ..operators.centring import Centring, is_whole
from .sums import Unfinished

SIDES = "x", "y"


@dataclass
class Resumed:
    """What a run that was stopped knew of its operator."""

    unfinished: Unfinished | None = None


def stored(unfinished):
    """Return ({name: array}, {attribute: value}) of the ``Unfinished`` sums, or of None."""
    if unfinished is None:
        return {}, {}
    arrays = {
        "state/gram": unfinished.total,
        "state/rows_done": unfinished.rows,
        "state/moments": unfinished.moments,
    }
    attributes = {}
    for name in SIDES:
        centring = getattr(unfinished, name)
        arrays[f"state/shift_{name}"] = centring.shift
        attributes[f"state_{name}_exponent"] = centring.exponent
        attributes["state_sums_double"] = centring.work == np.float64
    return arrays, attributes


def restored(start, data, kernels):
    """Return what a ``Stored`` checkpoint knew: ``Resumed``."""
    arrays, at = start.arrays, start.attributes
    if "state/rows_done" not in arrays:
        return Resumed()
    work = np.dtype(np.float64 if at["state_sums_double"] else np.float32)
    x, y = (
        Centring(
            arrays[f"state/shift_{name}"],
            at[f"state_{name}_exponent"],
            work,
            kernels,
            is_whole(getattr(data, name).dtype),
        )
        for name in SIDES
    )
    total = start.rows("state/gram", 0, start.shapes["state/gram"][0])
    return Resumed(Unfinished(total, arrays["state/rows_done"], arrays["state/moments"], x, y))
