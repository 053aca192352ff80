"""Ranks found while training: modules grow where a pair more takes most off the loss."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ...errors import UsageError


@dataclass(frozen=True)
class Growth:
    """``budget`` parameters for all pairs, from one pair a module on, ``rank_max`` at most.

    After ``warm_up`` batches, every ``every`` batches the ``by`` modules with the largest scores
    grow by a pair, as long as that fits. Scores are over the last ``judged`` batches.
    """

    budget: int
    rank_max: int = 8
    warm_up: int = 200
    every: int = 100
    by: int = 1
    judged: int = 16

    def __post_init__(self):
        """Raise UsageError for what is no count."""
        for name, value in vars(self).items():
            if name != "budget" and not (isinstance(value, Integral) and value >= 1):
                raise UsageError(f"{name} {value!r}; give a whole number, 1 or more")

    def is_due(self, steps):
        """Whether to grow after so many batches."""
        return steps >= self.warm_up and (steps - self.warm_up) % self.every == 0

    def limits(self, layout):
        """The most pairs of each module: (N). Raise UsageError if the budget is below a pair
        each.
        """
        check_budget(self.budget, int(layout.costs.sum()))
        return np.array([min(self.rank_max, *sides) for sides in layout.sides])

    def affordable(self, layout, ranks):
        """Which modules may have a pair more: (N)."""
        left = self.budget - int((ranks * layout.costs).sum())
        return (ranks < self.limits(layout)) & (layout.costs <= left)

    def chosen(self, layout, ranks, scores):
        """The modules that grow, largest scores first, ties to the lower number. Whatever scores
        are: near a minimum, gains on a few batches are mostly noise.
        """
        ranks, found = ranks.copy(), []
        for number in np.argsort(-scores, kind="stable"):
            if len(found) < self.by and self.affordable(layout, ranks)[number]:
                ranks[number] += 1
                found.append(int(number))
        return found


def check_budget(budget, least):
    """Raise UsageError for less than ``least`` parameters, which a pair for every module takes."""
    if not budget >= least:
        raise UsageError(f"budget {budget}: one pair for every module takes {least}; give more")


class Importance:
    """IncreLoRA's signal: S = Σ|W∘G|/√(dq); I ← .85 I + .15 S; U ← .85 U + .15 |S − I|; I·U."""

    KEPT = 0.85

    def __init__(self, count):
        self._average, self._spread = np.zeros(count), np.zeros(count)

    def observe(self, signal):
        """Take up the signals of a batch."""
        self._average = self.KEPT * self._average + (1 - self.KEPT) * signal
        difference = np.abs(signal - self._average)
        self._spread = self.KEPT * self._spread + (1 - self.KEPT) * difference

    @property
    def scores(self):
        """I·U."""
        return self._average * self._spread
