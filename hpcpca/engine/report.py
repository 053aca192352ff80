"""What a monitor is told after a round."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..linalg.determination import Goals, judge


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
        return judge(
            state.eigenvalues,
            state.residuals,
            self.components,
            self.rank_limit,
            state.vectors.shape[1],
            rounding=self.rounding,
            estimated=state.estimated,
            is_orthonormal=is_orthonormal,
        )


class Monitor(Protocol):
    """Is told of every round, on all ranks or on the root alone; may raise an error to end it."""

    def __call__(self, report):
        """Take in a ``Report``."""
