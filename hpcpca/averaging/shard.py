"""This worker's rows of the mean of a matrix: held in memory, or read and averaged each time."""

import numpy as np

from ..partition import span
from ..sources.watch import Passage

BLOCK_BYTES = 16 << 20  # of the mean in float64, read at a time


class Shard:
    """Rows first..stop−1 of a mean."""

    def __init__(self, matrix, rank, size, is_double=False):
        self.matrix, self.held = matrix, None
        self.exponent = 0  # rows are worked on times 2**−exponent, so that squares are in range
        self.work = np.dtype(np.float64) if is_double else matrix.work
        self.first, self.stop = span(matrix.shape[0], size, rank)
        self.edges = np.array(
            [*(span(matrix.shape[0], size, r)[0] for r in range(size)), matrix.shape[0]]
        )

    @property
    def held_bytes(self):
        """Of the rows, if they are held."""
        return (self.stop - self.first) * self.matrix.shape[1] * self.work.itemsize

    @property
    def block_rows(self):
        """Rows of a block that is read at a time: whole chunks of the files."""
        chunk = max(source.parts[0].chunk_rows for source in self.matrix.sources)
        rows = max(1, BLOCK_BYTES // (8 * self.matrix.shape[1]))
        return max(chunk, rows // chunk * chunk)

    @property
    def reading_bytes(self):
        """Of what is read at a time: a mean in float64 and in the type of the work, buffers, and
        what is computed with it.
        """
        rows = min(self.block_rows, self.stop - self.first)
        kinds = {source.dtype for source in self.matrix.sources}
        wide = 3 * 8 + self.work.itemsize + sum(kind.itemsize for kind in kinds)
        return rows * self.matrix.shape[1] * wide

    def peak(self, counters, ended):
        """The largest magnitude in this worker's first rows, which says what range all are in."""
        block = next(self._read(counters, ended), (None, np.zeros(1)))[1]
        return float(np.abs(block).max(initial=0.0))

    def hold(self, counters, ended):
        """Read all rows and keep them; give up if ``ended()``."""
        held = np.empty((self.stop - self.first, self.matrix.shape[1]), self.work)
        for rows, block in self._scaled(counters, ended):
            held[rows] = block
        self.held = held

    def blocks(self, counters=None, ended=None):
        """Yield (slice of this worker's rows, the rows in the type of the work); stop early if
        ``ended()``. Rows that are held need neither.
        """
        if self.held is not None:
            step = self.block_rows
            for start in range(0, len(self.held), step):
                rows = slice(start, min(len(self.held), start + step))
                yield rows, self.held[rows]
            return
        yield from self._scaled(counters, ended)

    def _scaled(self, counters, ended):
        for rows, block in self._read(counters, ended):
            yield rows, np.ldexp(block, -self.exponent).astype(self.work, copy=False)

    def _read(self, counters, ended):
        count = self.stop - self.first
        buffers, passage = self.matrix.buffers(min(self.block_rows, count)), Passage(count)
        start = 0
        while start < count:
            # up to where blocks of the whole matrix end, so that no chunk is read twice
            stop = min(
                count,
                (self.first + start) // self.block_rows * self.block_rows
                + self.block_rows
                - self.first,
            )
            with counters.time("read"):
                block = self.matrix.read(self.first + start, self.first + stop, buffers, ended)
            if block is None:
                return
            yield slice(start, stop), block
            passage.done(stop - start)
            start = stop
