"""What checkpoints keep of a covariance operator, and how a run takes it up."""

import numpy as np

from ..files.hdf5 import Rows
from ..operators.centring import Centring, is_whole, work_type
from ..operators.resumed import Resumed
from ..operators.unfinished import Unfinished

MEASURES = ("state/shift", "state/offset", "state/squares")


def stored(operator, unfinished):
    """Return ({name: array}, {attribute: value}) of the operator's centring and of the pass that
    was stopped, as far as there are any.
    """
    arrays, attributes = {}, {}
    n = None if operator is None else operator.n
    centring = unfinished.centring if unfinished else operator and operator.centring
    if centring is not None and (unfinished or n is not None):
        attributes = {
            "state_centring_exponent": centring.exponent,
            "state_centring_double": centring.work == np.float64,
        }
        arrays["state/shift"] = centring.shift
        if centring.count == n:  # else what it has measured is a sample
            arrays |= {"state/offset": centring.offset, "state/squares": centring.squares}
    if unfinished:
        arrays |= _pass_arrays(unfinished)
    return arrays, attributes


def _pass_arrays(unfinished):
    arrays = {"state/rows_done": unfinished.rows}
    if unfinished.moments is not None:
        arrays["state/moments"] = unfinished.moments
    if unfinished.panel is None:
        return arrays | {"state/gram": unfinished.sums}
    return arrays | {
        "state/pending": Rows(unfinished.panel, unfinished.offsets),
        "state/pending_sums": Rows(unfinished.sums, unfinished.offsets),
    }


def restored(context, kernels, pending):
    """Return what the checkpoint ``context.start`` knew: ``Resumed``.

    ``pending`` = (own directions, number of all) of the pass that was stopped, or None.
    """
    start, source = context.start, context.data
    at, arrays = start.attributes, start.arrays
    resumed = Resumed(is_double=bool(at["state_double"]))
    if "state/shift" in arrays:
        shift, offset, squares = (arrays.get(name) for name in MEASURES)
        resumed.known = Centring(
            shift,
            at["state_centring_exponent"],
            work_type(source.dtype, bool(at.get("state_centring_double", resumed.is_double))),
            kernels,
            is_whole(source.dtype),
            offset=offset,
            count=source.n if squares is not None else 0,
            squares=squares,
            is_centred=not context.config.no_centre,
        )
    if "state/rows_done" in arrays:
        resumed.unfinished = _unfinished(start, context.exchange, resumed.known, pending)
    return resumed


def _unfinished(start, exchange, known, pending):
    rows, moments = start.arrays["state/rows_done"], start.arrays.get("state/moments")
    if "state/gram" in start.shapes:
        d = start.shapes["state/gram"][0]
        gram = start.rows("state/gram", 0, d) if exchange.rank == 0 else None
        return Unfinished(None, gram, rows, moments, known)
    own, count = pending
    mine = exchange.owned(count)
    sums = start.rows("state/pending_sums", mine.start, mine.stop)
    return Unfinished(own, sums, rows, moments, known, offsets=exchange.grid.offsets(count))
