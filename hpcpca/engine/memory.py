"""The largest memory a node was seen to use."""

from ..planning.machine import forget_most_memory, most_memory, used_memory


class PeakMemory:
    """Keeps the largest share of memory (PSS) of this rank, looked at after a round but at most
    once a second.

    What is held between two looks is known with all shared pages only; those that were seen to be
    shared are taken off.
    """

    def __init__(self):
        self.bytes, self._shared, self._last = 0, 0, 0.0
        forget_most_memory()

    def __call__(self, report):
        if report.seconds - self._last >= 1.0:
            self._last = report.seconds
            self.look()

    def look(self):
        """Look now; return the peak in bytes."""
        share, shared = used_memory()
        self._shared = max(self._shared, shared)
        self.bytes = max(self.bytes, share, most_memory() - self._shared)
        return self.bytes
