"""Many arrays in one message: their means over all workers, or every worker's own.

A message carries all arrays of a step, so that its latency is paid once. The first message of a
step carries a flag of each rank too, at no further message.
"""

from collections import defaultdict

import numpy as np
from mpi4py import MPI

from .exchange import SLAB


class Flagged(Exception):
    """Some rank has raised its flag, or a mean is not finite; every rank hears of it from the same
    message.
    """


class Messages:
    """Collective operations on lists of arrays. They count the bytes that this worker hands in.

    ``tally`` has the numbers ``bytes``, ``gathered`` and ``messages``, and ``part(name)``, a
    context that is timed.
    """

    def __init__(self, comm, tally):
        self.comm, self.size, self.tally = comm, comm.size, tally
        self._flag = None

    def begin(self, flag=False):
        """Let the next message say whether this rank has raised its flag."""
        self._flag = float(flag)

    def raise_flag(self):
        """Raise the flag in the next message, if that is the first one of a step."""
        if self._flag is not None:
            self._flag = 1.0

    def mean(self, arrays):
        """Return the means of ``arrays`` over all workers, as new arrays: one Allreduce a float
        type.

        Raises Flagged. Shapes and types must be the same on all ranks, floats of 4 or 8 bytes.
        """
        means = [None] * len(arrays)
        for numbers in _by_type(arrays).values():
            flag = self._take_flag()
            parts = [arrays[i] for i in numbers]
            ends = np.cumsum([part.size for part in parts])
            buffer = np.empty(int(ends[-1]) + len(flag), parts[0].dtype)
            for end, part in zip(ends, parts):
                np.multiply(part.reshape(-1), 1 / self.size, out=buffer[end - part.size : end])
            buffer[ends[-1] :] = flag
            self._sum(buffer, len(flag))
            if buffer[ends[-1] :].any() or not is_finite(buffer):
                raise Flagged
            for i, end, part in zip(numbers, ends, parts):
                means[i] = buffer[end - part.size : end].reshape(part.shape)
        return means

    def _sum(self, buffer, extra):
        with self.tally.part("messages"):
            for start in range(0, buffer.size, SLAB):
                self.comm.Allreduce(MPI.IN_PLACE, buffer[start : start + SLAB])
        self._count(buffer.nbytes - extra * buffer.itemsize)

    def gather(self, arrays):
        """Return for each of ``arrays`` (…) those of all workers (W, …): one Allgather a type.

        Raises Flagged. Shapes and types must be the same on all ranks.
        """
        whole = [None] * len(arrays)
        for dtype, numbers in _by_type(arrays).items():
            flag = self._take_flag()
            parts = [arrays[i].reshape(-1) for i in numbers]
            own = np.concatenate([*parts, np.asarray(flag, dtype)])
            everyone = np.empty((self.size, own.size), dtype)
            with self.tally.part("messages"):
                self.comm.Allgather(own, everyone)
            self._count(own.nbytes - len(flag) * own.itemsize, gathered=True)
            if flag and everyone[:, -1].any():
                raise Flagged
            at = 0
            for i, part in zip(numbers, parts):
                piece = everyone[:, at : at + part.size]
                whole[i] = piece.reshape(self.size, *arrays[i].shape)
                at += part.size
        return whole

    def gather_rows(self, arrays):
        """Return for each of ``arrays`` (rows, …) those of all workers, a list of W: an Allgather
        of the numbers of rows, and one Allgatherv a type.

        Raises Flagged. Numbers of rows may differ from rank to rank.
        """
        (counts,) = self.gather([np.array([len(array) for array in arrays], dtype=np.int64)])
        whole = [None] * len(arrays)
        widths = [int(np.prod(array.shape[1:], dtype=np.int64)) for array in arrays]
        for dtype, numbers in _by_type(arrays).items():
            own = np.concatenate([arrays[i].reshape(-1) for i in numbers])
            sizes = [[int(row[i]) * widths[i] for i in numbers] for row in counts]
            totals = [sum(row) for row in sizes]
            everyone = np.empty(sum(totals), dtype)
            with self.tally.part("messages"):
                self.comm.Allgatherv(own, [everyone, totals])
            self._count(own.nbytes, gathered=True)
            ends = np.cumsum([size for row in sizes for size in row])[:-1]
            pieces = np.split(everyone, ends)
            for place, i in enumerate(numbers):
                mine = pieces[place :: len(numbers)]
                whole[i] = [piece.reshape(-1, *arrays[i].shape[1:]) for piece in mine]
        return whole

    def _take_flag(self):
        flag, self._flag = self._flag, None
        return [] if flag is None else [flag]

    def _count(self, nbytes, gathered=False):
        self.tally.bytes += nbytes
        self.tally.gathered += nbytes if gathered else 0
        self.tally.messages += 1


def is_finite(array):
    """Whether no element is NaN or infinite; a sum that overflows is not taken for that."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def _by_type(arrays):
    """Numbers of arrays by type, in an order that is the same on all ranks."""
    numbers = defaultdict(list)
    for i, array in enumerate(arrays):
        numbers[array.dtype].append(i)
    return {dtype: numbers[dtype] for dtype in sorted(numbers, key=str)}
