"""A pass that was stopped before its end, so that only the rest of it has to be done later."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..partition import count_rows, merged

SAME = 1e-9  # largest difference between entries of unit vectors that were computed again


@dataclass
class Unfinished:
    """Sums over the finished rows, and this rank's rows of the panel that they are images of.

    ``sums`` (own, d) are Σ_B Bᵀ(BV) of scaled deviations B from the shift, over the finished rows
    of all ranks; ``rows`` (r, 2) says which those are, numbered over the whole file set;
    ``moments`` (2, d), sums and squares of B's columns, are there on a first pass. ``offsets``
    (ranks + 1) says who has which of the panel's rows. If the operator is Σ itself, ``panel`` is
    None and ``sums`` is the known part of Σ (d, d), on the root.
    """

    parts: ClassVar[tuple] = ("panel", "sums")  # of which each rank has its own rows

    panel: np.ndarray | None
    sums: np.ndarray
    rows: np.ndarray
    moments: np.ndarray | None
    centring: object
    offsets: np.ndarray | None = None

    @property
    def count(self):
        """Number of finished rows."""
        return count_rows(self.rows)

    def share_out(self, offsets, exchange):
        """Give every rank the rows that ``offsets`` says, if they are as many. Collective."""
        if offsets[-1] == self.offsets[-1] and not np.array_equal(offsets, self.offsets):
            mine = slice(offsets[exchange.rank], offsets[exchange.rank + 1])
            for name in self.parts:
                if (rows := getattr(self, name)) is not None:
                    whole = exchange.gather_small(rows, self.offsets)
                    setattr(self, name, whole[mine].copy())
            self.offsets = offsets

    def belongs_to(self, own):
        """Whether this rank's rows of a panel are those the sums are images of."""
        return own.shape == self.panel.shape and bool(
            np.allclose(own, self.panel, rtol=0, atol=SAME)
        )


def all_finished(finished, earlier):
    """Return the rows in the lists ``finished`` of all ranks and those of the ``earlier`` part; and
    how many are new.
    """
    before = earlier.rows.tolist() if earlier else []
    rows = merged([*before, *(each for intervals in finished for each in intervals)])
    return rows, count_rows(rows) - (earlier.count if earlier else 0)
