"""What a source gives when it is read."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file set, dense."""

    rows: np.ndarray  # (r, d), in the type of the files
    first: int  # number of the first row, over the whole set

    def __len__(self):
        return len(self.rows)

    @property
    def stop(self):
        """Number of the row after the last."""
        return self.first + len(self.rows)

    @property
    def shape(self):
        """Rows and columns."""
        return self.rows.shape

    @property
    def nbytes(self):
        """Memory that the values take."""
        return self.rows.nbytes


@dataclass(frozen=True)
class PairedRows:
    """Rows of both sets in memory: ``x`` (r, d) and ``y`` (r, q), each of its own type."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        return PairedRows(self.x[rows], self.y[rows])
