"""Adam (arXiv 1412.6980), on rows of a panel that began at different times."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

RATE = 1e-3
FIRST, SECOND, SMALL = 0.9, 0.999, 1e-8


@dataclass
class Adam:
    """Moments of a panel (rows, length), and the steps so far by row and group of columns:
    ``counts`` (rows, groups), ``groups`` (length) says which a column is in.
    """

    rate: float
    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, panel, groups, rate):
        """Return it before the first step."""
        counts = np.zeros((len(panel), groups.max() + 1), panel.dtype)
        return cls(rate, np.zeros_like(panel), np.zeros_like(panel), counts, groups)

    def step(self, panel, rows, slopes, changed):
        """Change ``rows`` of the panel against their ``slopes`` (r, length), in groups that are
        ``changed`` (r, groups); in place.
        """
        self.counts[rows] += changed
        counts = np.maximum(self.counts[rows], 1)
        # 1 − βᵗ; of β so near to 1 not by a power
        past = [-np.expm1(counts * np.log(beta, dtype=panel.dtype)) for beta in (FIRST, SECOND)]
        held = (panel, self.first, self.second)
        by_column = [each[:, self.groups] for each in (changed, *past)]
        moved = _moved([each[rows] for each in held], slopes, by_column, self.rate)
        for into, each in zip(held, moved):
            into[rows] = each

    def move(self, source, target, group):
        """Let row ``target`` have what row ``source`` has in a group."""
        for each, own in self._held(group):
            each[target, own] = each[source, own]

    def forget(self, row, group):
        """Let a row begin anew in a group."""
        for each, own in self._held(group):
            each[row, own] = 0

    def _held(self, group):
        columns = self.groups == group
        return (self.first, columns), (self.second, columns), (self.counts, group)


@jax.jit
def _moved(held, slopes, by_column, rate):
    """Rows and both moments after a step, where ``changed``."""
    rows, first, second = held
    changed, past_first, past_second = by_column
    first = FIRST * first + (1 - FIRST) * slopes
    second = SECOND * second + (1 - SECOND) * slopes * slopes
    rows = rows - rate * (first / past_first) / (jnp.sqrt(second / past_second) + SMALL)
    return [jnp.where(changed, new, old) for new, old in zip((rows, first, second), held)]
