"""What there is of a pass that was stopped before its end: enough to do only the rest of it later."""

from dataclasses import dataclass

import numpy as np

from ..partition import count_rows, merged

SAME = 1e-9  # largest difference between entries of unit vectors that were computed again


@dataclass
class Unfinished:
    """Sums over the rows that were finished; the panel they are images of is shared out over the ranks as always.

    ``sums`` (own, d) are Σ_B Bᵀ(BV) of scaled deviations B from the shift, over the finished rows of all ranks; ``rows`` (r, 2) says
    which those are, numbered over the whole file set; ``moments`` (2, d), sums and squares of B's columns, are there on a first pass.
    Where the operator is Σ itself, ``panel`` is None and ``sums`` is that (d, d) on the root: what is known of it.
    """

    panel: np.ndarray | None
    sums: np.ndarray
    rows: np.ndarray
    moments: np.ndarray | None
    centring: object

    @property
    def count(self):
        """Number of finished rows."""
        return count_rows(self.rows)

    def belongs_to(self, own):
        """Whether this rank's rows of a panel are those the sums are images of."""
        return own.shape == self.panel.shape and bool(np.allclose(own, self.panel, rtol=0, atol=SAME))


def all_finished(comm, finished, begun):
    """Return the rows that all ranks have finished, with those of a pass that had ``begun`` before or None; and how many are new. Collective."""
    before = begun.rows.tolist() if begun else []
    rows = merged([*before, *sum(comm.allgather(finished), [])])
    return rows, count_rows(rows) - (begun.count if begun else 0)
