"""What ranks publish for others to read when they like: one-sided windows, passive target.

Nobody waits, nothing is read torn.
"""

from contextlib import nullcontext

import numpy as np
from mpi4py import MPI

from ..errors import PlatformError, on_all_ranks
from .progress import Progress
from .shared import SPARE, shm_free

BEGUN, NEWEST, ENDED, FAILED, HEADER = range(5)  # of a header, 8 bytes each; the last is its length
ITEM, TRIES = 8, 3


class Window:
    """Each rank's newest publication, float64: a few figures, its ``front``, and rows (r, d). What
    is read of both is of one publication.

    Publication n goes to slot n mod 2 of two. Its writer says in the header that n has begun before
    it writes, and that n is the newest after; so what was read of that slot is n's and whole if
    n was the newest before, and n + 2 has not begun after.
    """

    def __init__(self, world, fronts, rows, d, counters):
        """Collective.

        ``fronts`` and ``rows`` (ranks): how many figures and how many rows of length d each rank
        publishes.
        """
        self.world, self.counters, self.d = world, counters, d
        self._fronts, self._rows = (np.asarray(counts, dtype=np.int64) for counts in (fronts, rows))
        self._number = 0
        self._seen = {name: np.zeros(world.size, np.int64) for name in ("front", "whole")}
        self.fronts = [np.zeros(length) for length in self._fronts]
        self._buffer = [np.empty(self._fronts.max()), np.empty((self._rows.max(), d))]
        self._headers = np.zeros((world.size, HEADER), np.int64)
        self._allocate(HEADER + 2 * self._slot_length(world.rank))

    def _allocate(self, length):
        """Memory that the ranks of a node can read without this one's help; this rank's own if
        /dev/shm is too small.
        """
        world = self.world
        fits = world.node.allreduce(ITEM * length) + SPARE <= shm_free()
        self.is_shared = bool(world.comm.allreduce(fits, MPI.LAND))
        try:
            self._window = self._made(length)
        except MPI.Exception as error:
            raise on_all_ranks(
                PlatformError(
                    f"the MPI library makes no one-sided windows between these ranks ({error}); use"
                    " one that does, more room in /dev/shm where all are on one node, or"
                    " --exchange vectors"
                )
            ) from None
        self._memory[:] = 0.0
        self._own = self._memory[:HEADER].view(np.int64)
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self._window.Sync()
        world.comm.Barrier()
        helps = not self.is_shared or world.comm.allreduce(world.node.size, MPI.MIN) < world.size
        self._progress = Progress(world.comm) if helps and world.size > 1 else None

    def _made(self, length):
        if self.is_shared:
            window = MPI.Win.Allocate(ITEM * length, ITEM, comm=self.world.comm)
            self._memory = np.frombuffer(window.tomemory(), np.float64)
            return window
        self._memory = np.zeros(length)
        return MPI.Win.Create(self._memory, ITEM, comm=self.world.comm)

    def free(self):
        """Release the memory; collective."""
        if self._progress:
            self._progress.free()
        self._memory = self._own = None
        self._window.Unlock_all()
        self._window.Free()

    @property
    def nbytes(self):
        """Size of this rank's own memory."""
        return self._memory.nbytes

    @property
    def lacks_room(self):
        """Always False: every rank has a part of its own."""
        return False

    def being_read(self):
        """Context in which others can read, whatever this rank is busy with."""
        return self._progress or nullcontext()

    def _slot_length(self, rank):
        return int(self._fronts[rank] + self._rows[rank] * self.d)

    def _slot(self, rank, number):
        """Where publication ``number`` of a rank is, in items."""
        return HEADER + number % 2 * self._slot_length(rank)

    def publish(self, front, rows):
        """Let others see ``front`` and ``rows``, a list of (r, d), from now on."""
        number, first, length = (
            self._number + 1,
            self._fronts[self.world.rank],
            self._slot_length(self.world.rank),
        )
        start = self._slot(self.world.rank, number)
        self._tell(BEGUN, number)
        slot = self._memory[start : start + length]
        slot[:first] = front
        for part, target in zip(rows, slot[first:].reshape(len(rows), -1)):
            target[:] = part.reshape(-1)
        self._tell(NEWEST, number)
        self._number = number

    restart = publish  # all ranks together: what was published before is not to be seen any more

    def _tell(self, field, value):
        """Set a field of this rank's header, after all that was written before and before all
        that will be.
        """
        self._window.Sync()
        self._own[field] = value
        self._window.Sync()

    def end(self, phase):
        """Let all ranks know that a phase is over, for good; the root calls it."""
        self._tell(ENDED, phase)

    def fail(self, phase):
        """Let the root know that this rank has failed in a phase."""
        self._tell(FAILED, phase)

    def has_ended(self, phase):
        """Whether the root has ended a phase."""
        return self._look([0])[0, ENDED] >= phase

    def has_failed(self, phase):
        """Whether some rank has failed in a phase."""
        return bool((self._look(range(self.world.size))[:, FAILED] >= phase).any())

    def _look(self, ranks):
        """The headers of ``ranks``: (len, 4)."""
        for rank in ranks:
            self._get(self._headers[rank], rank, 0)
        self._complete(ranks)
        return self._headers[list(ranks)]

    def _get(self, target, rank, start):
        kind = MPI.INT64_T if target.dtype == np.int64 else MPI.DOUBLE
        self._window.Get([target, kind], rank, [start, target.size, kind])
        if rank != self.world.rank:
            self.counters.bytes_exchanged += target.nbytes

    def _complete(self, ranks):
        for rank in ranks:
            self._window.Flush(rank)
        self._window.Sync()

    def read_fronts(self, ranks):
        """Update ``fronts`` of these ranks."""
        for _ in range(TRIES):
            ranks, numbers = self._newer(ranks, "front")
            if not ranks:
                return
            found = [np.empty(self._fronts[rank]) for rank in ranks]
            for rank, number, target in zip(ranks, numbers, found):
                self._get(target, rank, self._slot(rank, number))
            self._complete(ranks)
            for rank, number, target, is_whole in zip(
                ranks, numbers, found, self._look(ranks)[:, BEGUN] < numbers + 2
            ):
                if is_whole:
                    self.fronts[rank], self._seen["front"][rank] = target, number

    def read(self, rank):
        """Return what a rank has published since it was read last, (front, rows (r, d)), or
        None; valid until the next is read.
        """
        for _ in range(TRIES):
            ranks, numbers = self._newer([rank], "whole")
            if not ranks:
                return None
            front, rows = self._buffer[0][: self._fronts[rank]], self._buffer[1][: self._rows[rank]]
            start = self._slot(rank, numbers[0])
            self._get(front, rank, start)
            for place, row in enumerate(rows):  # a row at a time: counts stay small
                self._get(row, rank, start + len(front) + place * self.d)
            self._complete(ranks)
            if self._look(ranks)[0, BEGUN] < numbers[0] + 2:
                self._seen["whole"][rank] = numbers[0]
                return front, rows
        return None

    def _newer(self, ranks, what):
        """Which of ``ranks`` have published since they were read last, and the newest number of
        each.
        """
        ranks, newest = np.array(ranks, np.int64), self._look(ranks)[:, NEWEST]
        are = newest > self._seen[what][ranks]
        return ranks[are].tolist(), newest[are]
