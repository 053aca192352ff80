"""What a run did: seconds by activity, passes, reads, applications of Σ, bytes exchanged."""

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter


@dataclass
class Counters:
    """Tally of one rank; nested activities are charged to the innermost one only."""

    passes: float = 0.0  # those over a sample count by its share
    reads: float = 0.0
    applications: int = 0
    samples: int = 0  # rows drawn in mini-batches, over all workers
    sample_flops: int = 0  # on the sample of correction equations and start panels, over all ranks
    bytes_exchanged: int = 0
    seconds: dict = field(default_factory=lambda: defaultdict(float))
    _stack: list = field(default_factory=list)
    _since: float = field(default_factory=perf_counter)
    _begun: float = field(default_factory=perf_counter)

    def _charge(self):
        now = perf_counter()
        self.seconds[self._stack[-1] if self._stack else "rest"] += now - self._since
        self._since = now

    @contextmanager
    def time(self, activity):
        """Charge the time of the body to ``activity`` ("read", "apply", "exchange", …)."""
        self._charge()
        self._stack.append(activity)
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def elapsed(self):
        """Wall seconds since the counters were made."""
        return perf_counter() - self._begun

    def split(self):
        """Seconds by activity up to now, as a plain dict."""
        self._charge()
        return dict(self.seconds)
