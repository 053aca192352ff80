"""Requests to stop: one rank hears of them first, all of them within a block of work."""

import threading
from time import monotonic

import numpy as np
from mpi4py import MPI

from ..errors import Interrupted

TAG, FAN_OUT = 75, 8
LOOK_EVERY = 0.01  # seconds: asking costs next to nothing more often than that


class Interrupt:
    """A request to stop, passed on as a rumour along a tree of the ranks.

    ``asked()`` → 0 or the number of a reason tells what this rank knows by itself; ``text(reason)``
    says it to the user. ``requested`` is local and cheap, for any thread; decisions are taken by
    ``agreed``, on all ranks alike.
    """

    def __init__(self, comm):
        """Collective."""
        self.comm = comm.Dup()
        rank, size = comm.rank, comm.size
        self._near = [
            n
            for n in (
                (rank - 1) // FAN_OUT,
                *range(FAN_OUT * rank + 1, FAN_OUT * rank + FAN_OUT + 1),
            )
            if 0 <= n < size and rank + n
        ]
        self.asked, self.text = (lambda: 0), str
        self._reason, self._heard, self._sent, self._next = 0, set(), [], 0.0
        self._lock = threading.Lock()

    def requested(self):
        """Whether this rank has heard of a request."""
        if self._reason or (now := monotonic()) < self._next:
            return bool(self._reason)
        with self._lock:
            self._next = now + LOOK_EVERY
            reason = self.asked() or self._listen()
            if reason and not self._reason:
                self._tell(reason)
        return bool(self._reason)

    def _listen(self):
        status = MPI.Status()
        if not self._near or not self.comm.Iprobe(MPI.ANY_SOURCE, TAG, status):
            return 0
        return self._receive(status.source)

    def _receive(self, source):
        reason = np.zeros(1, np.int32)
        self.comm.Recv(reason, source, TAG)
        self._heard.add(source)
        return int(reason[0])

    def _tell(self, reason):
        self._reason = reason
        message = np.array([reason], np.int32)
        self._sent = [(message, self.comm.Isend(message, near, TAG)) for near in self._near]

    def agreed(self):
        """Return the reason to stop, or 0, alike on all ranks; every message is received by then.

        Collective.
        """
        self.requested()
        reason = self.comm.allreduce(self._reason, MPI.MAX)
        if reason:
            if not self._reason:
                self._tell(reason)
            for near in self._near:
                if near not in self._heard:
                    self._receive(near)
            MPI.Request.Waitall([request for _, request in self._sent])
            self._sent = []
        return reason

    def stop_if(self, halted, unfinished=lambda: None):
        """Raise Interrupted on all ranks if some of them have ``halted``; ``unfinished()`` is
        called on all of them. Collective.
        """
        if self.comm.allreduce(bool(halted), MPI.LOR):
            raise Interrupted(self.text(self.agreed()), unfinished())

    def stop_if_agreed(self):
        """Raise Interrupted on all ranks if one of them has been asked to stop. Collective."""
        reason = self.agreed()
        if reason:
            raise Interrupted(self.text(reason))

    def free(self):
        """Release the communicator, once nothing is under way; collective."""
        self.agreed()
        self.comm.Free()
