"""When workers begin, and when others see them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ...errors import UsageError


@dataclass(frozen=True)
class Schedule:
    """Worker k's turn comes after k·``every`` batches; from then on others see its pairs.

    every = 0: all begin at once. ``advance``: workers train before their turn too, against the
    superiors whose turn has come. ``sequential``: they stop when the next one begins.
    """

    every: int = 0
    advance: bool = False
    sequential: bool = False

    def __post_init__(self):
        """Raise UsageError for what is no number of batches."""
        if not (isinstance(self.every, Integral) and self.every >= 0):
            raise UsageError(f"every {self.every!r}; give a whole number of batches, 0 or more")

    def begun(self, step, workers):
        """Which workers (K) others see before batch ``step``, from 0."""
        return step >= self.every * np.arange(workers)

    def working(self, step, workers):
        """Which workers (K) train in batch ``step``."""
        if self.advance:
            return np.ones(workers, bool)
        begun = self.begun(step, workers)
        if self.sequential:
            return begun & (np.arange(workers) == min(step // max(1, self.every), workers - 1))
        return begun
