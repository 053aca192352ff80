"""Rows from anywhere in the file set in small runs: where they lie, if they are mapped, or else
read from datasets that stay open.
"""

import threading
from collections import OrderedDict

import numpy as np

from ..files.damage import reporting_damage
from ..files.opening import CHUNK_CACHE
from .rows import BATCH_PIECE_BYTES, SHORT

MOST_OPEN = 64  # files: systems allow a process some hundreds


class RowReader:
    """Reads rows by their number over the whole file set; safe to call from several threads.

    ``cache`` bytes are for chunks that were read, and perhaps decompressed, for a few of their
    rows.
    """

    def __init__(self, source, cache):
        self._source, self._open, self._lock = source, OrderedDict(), threading.Lock()
        self._cache = max(CHUNK_CACHE, cache // min(MOST_OPEN, len(source.parts)))
        row_bytes = max(1, source.d * source.dtype.itemsize)
        self._most, self._short = (max(1, size // row_bytes) for size in (BATCH_PIECE_BYTES, SHORT))

    def rows(self, runs):
        """Yield the rows of runs [(first, count)], numbered over the whole file set, in arrays
        (r, d) of the files' type, not to be written to; after the last row comes row 0.

        Raises DataError if they cannot be read, or if a file that is mapped was written to.
        """
        for parts in self._pieces(runs):
            if self._source.unmapped:
                yield self._read(parts)
            else:
                yield from self._in_place(parts)

    def _pieces(self, runs):
        """Yield lists [(file, first row within it, count)] of what is taken together: a part of a
        run, or several short ones.
        """
        parts = [part for run in runs for part in self._parts(*run)]
        while parts:
            taken, size = [], 0
            while parts and size < self._short:
                number, start, count = parts.pop()
                some = min(count, self._most - size)
                taken.append((number, start, some))
                size += some
                if some < count:
                    parts.append((number, start + some, count - some))
            yield taken

    def _parts(self, first, count):
        """Yield (file, first row within it, count) of a run."""
        edges = self._source.first_rows
        while count:
            first %= self._source.n
            number = int(np.searchsorted(edges, first, side="right")) - 1
            size = min(count, int(edges[number + 1]) - first)
            yield number, first - int(edges[number]), size
            first, count = first + size, count - size

    def _in_place(self, parts):
        """Yield one array of the rows of parts: a view, unless they lie in several places."""
        source = self._source
        places = [
            place for n, first, count in parts for place in source.cut(n, first, first + count)
        ]
        files = {number for number, *_ in parts}
        views = [source.mapped(*place) for place in places]
        for number in files:
            source.check_mapped(number)
        yield views[0] if len(views) == 1 else np.concatenate(views)
        for number in files:
            source.check_mapped(number)
        for place in places:
            source.let_go(*place)

    def _read(self, parts):
        rows, done = self._source.buffer(sum(count for *_, count in parts)), 0
        for number, start, count in parts:
            # HDF5 reads one at a time anyway; so no file is closed that is read
            with reporting_damage(self._source.parts[number].path), self._lock:
                opened = self._opened(number)
                self._source.fill(number, opened, start, start + count, rows[done : done + count])
            done += count
        return rows

    def _opened(self, number):
        """The open rows of file ``number``."""
        if number not in self._open:
            if len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = self._source.open(number, self._cache)
        self._open.move_to_end(number)
        return self._open[number]

    def close(self):
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()
