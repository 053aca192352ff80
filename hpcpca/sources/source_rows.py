"""Rows of a whole file set in order, converted, to be written out again."""

import numpy as np

from ..comm.counters import Counters
from ..errors import DataError
from .rows import read_ahead

READ_BYTES = 64 << 20  # at a time


class SourceRows:
    """Rows of a file set, converted to ``dtype``, read ahead with buffers of at most ``room``
    bytes.
    """

    def __init__(self, source, dtype, room):
        self._source, self._dtype, self._room = source, dtype, room

    def read(self, start, stop):
        """Yield rows start..stop−1 of the whole set in order.

        Raises DataError if one cannot be read or does not fit the type, and at the end if files
        were written to meanwhile.
        """
        pieces = places(self._source, start, stop, self._room)
        for block in read_ahead(self._source, pieces, Counters()):
            number, _ = self._source.place(block.first)
            yield converted(block.rows, self._dtype, self._source.parts[number].name)
        self._source.check_unchanged()


def places(source, start, stop, room):
    """Yield (file, start, stop) of rows start..stop−1 of the whole set in pieces: whole chunks if
    two buffers of them fit in ``room``.
    """
    row_bytes = source.d * source.dtype.itemsize
    edges = np.cumsum([0, *(part.rows for part in source.parts)])
    for number, part in enumerate(source.parts):
        first, last = (
            int(max(start, edges[number]) - edges[number]),
            int(min(stop, edges[number + 1]) - edges[number]),
        )
        step = max(1, min(READ_BYTES, room // 2) // row_bytes)
        if part.chunk_rows * row_bytes <= room // 2:
            step = max(1, step // part.chunk_rows) * part.chunk_rows
        while first < last:
            end = min(last, (first // step + 1) * step)
            yield number, first, end
            first = end


def converted(rows, dtype, name):
    """Return rows as ``dtype``; raise DataError if an integer would change or a float overflow.
    Rounding is what was asked for.
    """
    if rows.dtype == dtype:
        return rows
    with np.errstate(invalid="ignore", over="ignore"):
        out = rows.astype(dtype)
    fits = np.isfinite(out) == np.isfinite(rows) if dtype.kind == "f" else out == rows
    if not fits.all():
        raise DataError(
            f"{name} holds {rows[~fits][0]}, which {dtype} cannot; choose another --dtype"
        )
    return out
