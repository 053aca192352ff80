"""Arrays held once per node, in memory that its ranks share."""

import os

import numpy as np
from mpi4py import MPI

SPARE = 8 << 20  # bytes of /dev/shm left alone: MPI's own queues live there too


def shm_free():
    """Bytes free in /dev/shm, where shared windows live."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


class SharedArray:
    """One ``array`` per node, or per group of its ranks; every rank of ``node`` sees the same
    memory.

    If some node's /dev/shm is too small, every rank has an array of its own, and ``node`` has
    size 1.
    """

    def __init__(self, world, shape, dtype=np.float64, sharers=None):
        """Collective over ``world``; ``sharers`` is a communicator of ranks of one node, all of
        it if None.
        """
        node = world.node if sharers is None else sharers
        bytes_needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
        together = world.node.allreduce(bytes_needed if node.rank == 0 and node.size > 1 else 0)
        per_node = bool(
            world.comm.allreduce(not together or together + SPARE <= shm_free(), MPI.LAND)
        )  # alike on all nodes
        self.node = node if per_node else MPI.COMM_SELF
        self.is_shared = per_node and node.size > 1
        self.lacks_room = not per_node and node.size > 1
        if self.is_shared:
            self._window = MPI.Win.Allocate_shared(
                bytes_needed if node.rank == 0 else 0, 1, comm=node
            )
            memory, _ = self._window.Shared_query(0)
            self.array = np.frombuffer(memory, dtype=dtype, count=int(np.prod(shape))).reshape(
                shape
            )
            self._window.Lock_all(MPI.MODE_NOCHECK)
        else:
            self._window = None
            self.array = np.zeros(shape, dtype)  # pages that are not written take no memory

    @property
    def nbytes(self):
        """Size of the array."""
        return self.array.nbytes

    def fence(self):
        """Wait until every rank of the node sees what each of them wrote."""
        if self._window is not None:
            self._window.Sync()
            self.node.Barrier()
            self._window.Sync()

    def free(self):
        """Release the memory; collective over the node. The array must not be used afterwards."""
        self.array = None
        if self._window is not None:
            self._window.Unlock_all()
            self._window.Free()
