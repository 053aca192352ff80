"""Missing values as a few components would have them: what EM for PCA puts there (Roweis, 1998).

A row's scores z are those that fit its known values best: least squares, by conjugate gradients for
all rows of a tile at once.
"""

from dataclasses import dataclass

import numpy as np

TILE_BYTES = 8 << 20  # of float64 at a time
ACCURACY = 1e-13  # of scores, relative to their right-hand side
SPARE = 10  # steps more than there are components, for what rounding costs


@dataclass
class Model:
    """A mean (d) and orthonormal components (K, d), in the units that values are read in."""

    mean: np.ndarray
    components: np.ndarray

    def complete(self, rows):
        """Put values where rows (r, d) have NaN, in place."""
        incomplete = np.flatnonzero(np.isnan(rows).any(axis=1))
        step = max(1, TILE_BYTES // (8 * len(self.mean)))
        for start in range(0, len(incomplete), step):
            numbers = incomplete[start : start + step]
            taken = rows[numbers]
            is_missing = np.isnan(taken)
            known = np.where(is_missing, 0.0, taken - self.mean)
            guessed = self.mean + self.scores(known, is_missing) @ self.components
            rows[numbers] = np.where(is_missing, guessed, taken)

    def scores(self, known, is_missing):
        """z (r, K) of least squares on what is known: deviations (r, d), 0 where they are missing.

        If there are several, the shortest: values that are no better known stay at the mean.
        """
        residual = known @ self.components.T
        z, step = np.zeros_like(residual), residual.copy()
        size = first = (residual**2).sum(axis=1)
        for _ in range(residual.shape[1] + SPARE):
            is_left = size > ACCURACY**2 * first
            if not is_left.any():
                break
            seen = step @ self.components
            seen[is_missing] = 0
            image = seen @ self.components.T
            length = (seen**2).sum(axis=1)
            is_left &= length > 0
            factor = np.where(is_left, size / np.where(is_left, length, 1), 0)[:, None]
            z += factor * step
            residual -= factor * image
            before, size = size, np.where(is_left, (residual**2).sum(axis=1), 0.0)
            step = (
                residual
                + np.where(before > 0, size / np.where(before > 0, before, 1), 0)[:, None] * step
            )
        return z
