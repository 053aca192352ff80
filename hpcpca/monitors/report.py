"""What a monitor is told after a round."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Report:
    """One round's figures, the same on all ranks but for ``state`` (its vectors are this rank's own)."""

    state: object
    method: object
    counters: object
    components: int           # K
    seconds: float            # since the start, by the root's clock
    eigenvalues: np.ndarray   # (m) in the data's own units
    is_double: bool
    tol: float

    @property
    def residuals(self):
        """Of the K components, relative to the largest eigenvalue."""
        return self.state.residuals[:self.components]
