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
    def values(self):
        """All values, in an array."""
        return self.rows

    def place(self, bad):
        """Row within the block, column and value of the first of the ``values`` that are bad."""
        row, column = np.argwhere(bad)[0]
        return int(row), int(column), self.rows[row, column]

    def dense(self, start, stop, d):
        """Rows start..stop−1 of it: (r, d)."""
        return self.rows[start:stop]

    @property
    def nbytes(self):
        """Memory that the values take."""
        return self.rows.nbytes


@dataclass(frozen=True)
class SparseBlock:
    """Consecutive rows of a file set, of which the stored values are there, as CSR has them: each
    entry once.
    """

    values: np.ndarray  # (s)
    indices: np.ndarray  # (s) of columns
    ends: np.ndarray  # (r + 1) of rows, numbering the stored values from 0
    first: int  # number of the first row, over the whole set

    def __len__(self):
        return len(self.ends) - 1

    @property
    def stop(self):
        """Number of the row after the last."""
        return self.first + len(self)

    def dense(self, start, stop, d):
        """Rows start..stop−1 of it, as an array (r, d)."""
        some = self.part(start, min(stop, len(self)))
        rows = np.zeros((len(some), d), self.values.dtype)
        rows[np.repeat(np.arange(len(some)), np.diff(some.ends)), some.indices] = some.values
        return rows

    def only(self, is_wanted):
        """Those of its rows that are wanted (r) bool, as if they followed one another."""
        taken = np.repeat(is_wanted, np.diff(self.ends))
        ends = np.concatenate([[0], np.cumsum(np.diff(self.ends)[is_wanted])])
        return SparseBlock(self.values[taken], self.indices[taken], ends, self.first)

    def part(self, start, stop):
        """Rows start..stop−1 of it, by themselves."""
        ends = self.ends[start : stop + 1]
        taken = slice(ends[0], ends[-1])
        first = self.first + start
        return SparseBlock(self.values[taken], self.indices[taken], ends - ends[0], first)

    def place(self, bad):
        """Row within the block, column and value of the first of the ``values`` that are bad."""
        at = int(np.argmax(bad))
        row = int(np.searchsorted(self.ends, at, side="right")) - 1
        return row, int(self.indices[at]), self.values[at]


@dataclass(frozen=True)
class PairedRows:
    """Rows of both sets in memory: ``x`` (r, d) and ``y`` (r, q), each of its own type."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        return PairedRows(self.x[rows], self.y[rows])


def joined(blocks):
    """One ``SparseBlock`` of several that follow one another."""
    if len(blocks) == 1:
        return blocks[0]
    counts = np.concatenate([np.diff(each.ends) for each in blocks])
    return SparseBlock(
        np.concatenate([each.values for each in blocks]),
        np.concatenate([each.indices for each in blocks]),
        np.concatenate([[0], np.cumsum(counts)]),
        blocks[0].first,
    )
