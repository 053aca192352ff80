"""Two file sets with equally many rows: what row i of the one is to row i of the other."""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .block import PairedRows
from .learned import Learned
from .source import Source


@dataclass(frozen=True)
class PairedBlock:
    """Consecutive rows of both sets; those of Y may lie in several files."""

    rows: PairedRows
    first: int  # number of the first row
    read: tuple  # the Block of X, and those of Y

    def __len__(self):
        return len(self.rows)

    @property
    def stop(self):
        """Number of the row after the last."""
        return self.first + len(self.rows)

    @property
    def nbytes(self):
        """Memory that the values take."""
        return self.rows.x.nbytes + self.rows.y.nbytes


class PairedSource(Source):
    """Inputs ``x`` and targets ``y``, two Sources that are read together.

    It is read like a Source. Pieces follow the files and chunks of X, however Y is cut.
    """

    def __init__(self, x, y):
        if x.n != y.n:
            raise DataError(
                f"the inputs ({x.parts[0].name}{_more(x)}) have {x.n} rows, the targets"
                f" ({y.parts[0].name}{_more(y)}) {y.n}; row i of one belongs to row i of the other:"
                " name files that have the same rows in the same order"
            )
        self.x, self.y = x, y
        super().__init__(x.parts, (*x.notes, *y.notes))
        self._join()

    def _join(self):
        self.d, self.unmapped = self.y.d, self.x.unmapped or self.y.unmapped

    def learn(self, learned):
        """Read inputs as it was ``Learned`` from now on, and the targets of the same rows."""
        self.x.learn(learned)
        self.y.learn(Learned(left_out=learned.left_out))
        self.parts = self.x.parts
        self._size()
        self._join()

    def copy_rows(self):
        """As of ``Source``."""
        for side in (self.x, self.y):
            side.copy_rows()
        self._join()

    def check_mapped(self, number):
        """As of ``Source``; all files of both."""
        if not self.unmapped:
            self.check_unchanged()

    @property
    def row_bytes(self):
        """Of a row of both."""
        return self.x.row_bytes + self.y.row_bytes

    @property
    def title(self):
        """Name, sizes and types of both, in words."""
        return f"{self.x.title} → {self.y.title}"

    def describe(self):
        """Both descriptions, one after the other, each part with its role."""
        return [
            part | {"role": role}
            for role, source in (("inputs", self.x), ("targets", self.y))
            for part in source.describe()
        ]

    def change(self):
        """In words, how the files have changed since they were opened here, or None."""
        return self.x.change() or self.y.change()

    def buffer(self, rows):
        """Memory that ``read`` can put so many rows into."""
        return PairedRows(self.x.buffer(rows), self.y.buffer(rows))

    def read(self, number, start, stop, into=None):
        """Return the ``PairedBlock`` of rows start..stop−1 of file ``number`` of X; raise
        DataError.
        """
        into = PairedRows(None, None) if into is None else into
        x = self.x.read(number, start, stop, into.x)
        y = list(self.y.read_across(x.first, x.stop, into.y))
        if into.y is not None:
            targets = into.y[: len(x)]
        else:
            targets = y[0].rows if len(y) == 1 else np.concatenate([each.rows for each in y])
        return PairedBlock(PairedRows(x.rows, targets), x.first, (x, y))

    def check_finite(self, block):
        """Return max |value| of X's and of Y's rows (2); raise DataError for NaN, Inf or missing
        values.
        """
        x, y = block.read
        return np.array([self.x.check_finite(x), max(map(self.y.check_finite, y), default=0.0)])


def _more(source):
    return f" and {len(source.parts) - 1} more" if len(source.parts) > 1 else ""
