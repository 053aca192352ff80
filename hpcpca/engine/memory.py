"""The largest memory a node was seen to use."""

from ..planning.machine import used_memory


class PeakMemory:
    """Keeps the largest share of memory (PSS) of this rank, looked at after a round but at most
    once a second.
    """

    def __init__(self):
        self.bytes, self._last = used_memory(), -1.0

    def __call__(self, report):
        if report.seconds - self._last >= 1.0:
            self._last = report.seconds
            self.look()

    def look(self):
        """Look now; return the peak in bytes."""
        self.bytes = max(self.bytes, used_memory())
        return self.bytes
