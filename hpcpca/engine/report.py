"""What a monitor is told after a round."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..linalg.determination import Goals, judge, unbounded
from ..linalg.search import Search


@dataclass(frozen=True)
class Report:
    """One round's figures, the same on all ranks but for ``state`` (its vectors are this rank's
    own).
    """

    state: object
    method: object
    counters: object
    components: int  # K
    seconds: float  # since the start, by the root's clock
    eigenvalues: np.ndarray  # (m) in the data's own units
    is_double: bool
    tol: float
    rounding: float  # of the operator, relative to λ_0
    rank_limit: int  # how many eigenvalues may differ from zero
    search: Search | None = None  # for what start vectors miss, if they were not random

    @property
    def steps_missing(self):
        """How many steps guards lack to have found what start vectors miss."""
        if self.search is None:
            return 0
        state = self.state
        needed = self.search.needed(
            state.eigenvalues, self.components, state.vectors.shape[1], self.rounding
        )
        return max(0, needed - self.search.steps(state.round))

    @property
    def residuals(self):
        """Of the K components, relative to the largest eigenvalue."""
        return self.state.residuals[: self.components]

    @property
    def goals(self):
        """The residuals that the K components have to reach."""
        return Goals(self.tol, self.components)(self.state.eigenvalues, self.rounding)[
            : self.components
        ]

    def judged(self, is_orthonormal=True):
        """What is known of the K components: a ``Judgement``; eigenvalues in it are scaled."""
        state = self.state
        found = judge(
            state.eigenvalues,
            state.residuals,
            self.components,
            self.rank_limit,
            state.vectors.shape[1],
            rounding=self.rounding,
            estimated=state.estimated,
            is_orthonormal=is_orthonormal,
        )
        return unbounded(found) if self.steps_missing else found


class Monitor(Protocol):
    """Is told of every round, on all ranks or on the root alone; may raise an error to end it."""

    def __call__(self, report):
        """Take in a ``Report``."""
