"""What a compressor sent, and how long it took."""

from contextlib import contextmanager
from dataclasses import dataclass, field

from ..comm.counters import Counters


@dataclass
class Tally:
    """Sums over all steps of this worker.

    ``bytes`` are those it handed to collective operations, ``gathered`` those of them that every
    worker got as they were, not in a sum, ``whole`` those it would have handed in with every tensor
    sent as it is. ``seconds()`` are by part: products, orthonormalisation,
    messages, feedback.
    """

    steps: int = 0
    bytes: int = 0
    gathered: int = 0
    whole: int = 0
    messages: int = 0
    _counters: Counters = field(default_factory=Counters, repr=False)

    @contextmanager
    def part(self, name):
        """Charge the time of the body to a part; nested parts count for the innermost one."""
        with self._counters.time(name):
            yield

    def seconds(self):
        """Return seconds by part."""
        return {name: time for name, time in self._counters.split().items() if name != "rest"}

    @property
    def ratio(self):
        """How many times fewer bytes were sent than with every tensor sent as it is."""
        return self.whole / self.bytes if self.bytes else 1.0
