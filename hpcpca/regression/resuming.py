"""What checkpoints keep of the sums, or of the application, that a run was stopped in, and how a
run takes them up.
"""

from dataclasses import dataclass

import numpy as np

from ..files.hdf5 import Rows
from ..operators.centring import Centring, is_whole
from .streaming import UnfinishedHalf
from .sums import Unfinished

SIDES = "x", "y"


@dataclass
class Resumed:
    """What a run that was stopped knew of its operator."""

    unfinished: Unfinished | None = None  # sums
    half: UnfinishedHalf | None = None


def stored(unfinished):
    """Return ({name: array}, {attribute: value}) of ``Unfinished`` sums, of an ``UnfinishedHalf``,
    or of None.
    """
    if unfinished is None:
        return {}, {}
    arrays, attributes = {"state/rows_done": unfinished.rows}, {}
    if unfinished.panel is None:
        arrays |= {"state/gram": unfinished.total, "state/moments": unfinished.moments}
        centrings = unfinished.x, unfinished.y
    else:
        panels = {"pending": unfinished.panel, "pending_sums": unfinished.sums}
        if unfinished.solved is not None:
            panels["pending_inputs"] = unfinished.solved
        arrays |= {f"state/{name}": Rows(rows, unfinished.offsets) for name, rows in panels.items()}
        centrings = unfinished.centring
    for name, centring in zip(SIDES, centrings):
        arrays[f"state/shift_{name}"] = centring.shift
        attributes[f"state_{name}_exponent"] = centring.exponent
        attributes["state_sums_double"] = centring.work == np.float64
    return arrays, attributes


def restored(context, kernels, pending):
    """Return what the checkpoint ``context.start`` knew: ``Resumed``.

    ``pending`` = (own vectors, number of all) of the application that was stopped, or None.
    """
    start, data, exchange = context.start, context.data, context.exchange
    arrays, at = start.arrays, start.attributes
    if "state/rows_done" not in arrays:
        return Resumed()
    work, rows = np.dtype(np.float64 if at["state_sums_double"] else np.float32), {}
    centrings = tuple(
        Centring(
            arrays[f"state/shift_{name}"],
            at[f"state_{name}_exponent"],
            work,
            kernels,
            is_whole(getattr(data, name).dtype),
        )
        for name in SIDES
    )
    done = arrays["state/rows_done"]
    if pending is None:
        total = start.rows("state/gram", 0, start.shapes["state/gram"][0])
        return Resumed(Unfinished(total, done, arrays["state/moments"], *centrings))
    own, count = pending
    mine = exchange.owned(count)
    for name in ("state/pending_sums", "state/pending_inputs"):
        rows[name] = start.rows(name, mine.start, mine.stop) if name in start.shapes else None
    offsets = exchange.grid.offsets(count)
    sums, solved = rows.values()
    half = UnfinishedHalf(own, sums, done, None, centrings, offsets=offsets, solved=solved)
    return Resumed(half=half)
