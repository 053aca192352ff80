"""A thread that enters MPI now and then: between nodes, others may read this rank's windows only
while it does.
"""

import threading

from mpi4py import MPI

PERIOD = 5e-4  # seconds


class Progress:
    """Context in which MPI makes progress while the main thread computes; only at the main
    thread's own calls if the library allows no second thread.
    """

    def __init__(self, comm):
        """Collective."""
        self._comm, self._thread = comm.Dup(), None

    def __enter__(self):
        if MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._enter_mpi, daemon=True)
            self._thread.start()
        return self

    def _enter_mpi(self):
        while not self._over.wait(PERIOD):
            self._comm.Iprobe()

    def __exit__(self, *_):
        if self._thread:
            self._over.set()
            self._thread.join()
            self._thread = None

    def free(self):
        """Release the communicator; collective."""
        self._comm.Free()
