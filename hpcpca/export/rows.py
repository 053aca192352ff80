"""Rows of an array in a file, a few at a time, whatever the memory."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..errors import DataError, UsageError
from ..files.formats import CHECKPOINT, ERRORS, PREDICTIONS, RECONSTRUCTION, RESULT, SCORES
from ..files.paths import split_dataset
from ..files.result import Stored, format_of
from ..sources.contents import element_type
from ..sources.formats import open_rows
from ..sources.watch import Passage
from ..units import format_size

USUAL = {  # datasets that our files are about
    SCORES: "scores",
    PREDICTIONS: "predictions",
    RECONSTRUCTION: "data",
    ERRORS: "row_errors",
}
PIECE_BYTES = 32 << 20  # of rows at a time, however much memory there is


@dataclass(frozen=True)
class Rows:
    """An array of ``extent``, and ``dataset`` of a file, as rows (n, k) in pieces of ``step``."""

    dataset: str
    opened: object
    step: int

    @property
    def extent(self):
        """Lengths of all axes."""
        return tuple(self.opened.extent or self.opened.shape)

    def pieces(self):
        """Yield (first row, rows (r, k)) of all."""
        count, width = self.opened.shape
        passage = Passage(count, "rows")
        for start in range(0, count, self.step):
            rows = np.empty((min(self.step, count - start), width), self.opened.dtype)
            self.opened.read(start, start + len(rows), rows)
            yield start, rows
            passage.done(len(rows))


@contextmanager
def reading(text, memory=None, copies=2):
    """Yield the ``Rows`` that FILE:dataset names, or FILE of ours the dataset that it is about;
    raise DataError, UsageError. A row takes ``copies`` times its size.
    """
    path, dataset = split_dataset(text)
    dataset = dataset or about(path)
    with open_rows(path, dataset, least=1) as opened:
        element_type(opened.dtype, opened.name)
        row = max(1, opened.shape[1] * opened.dtype.itemsize) * copies
        if memory and row > memory:
            raise UsageError(
                f"--memory {format_size(memory)} is too little: {format_size(row)} are needed"
            )
        yield Rows(dataset, opened, max(1, min(PIECE_BYTES, memory or PIECE_BYTES) // row))


def about(path):
    """Name of the dataset that a file of ours is about; raise DataError."""
    kind = "" if path.endswith(".npy") else format_of(path)
    if kind in (RESULT, CHECKPOINT):
        stored = Stored(path)
        stored.require_vectors()
        return stored.vectors_name
    if kind not in USUAL:
        raise DataError(f"{path} is no result or the like; name a dataset of it: {path}:DATASET")
    return USUAL[kind]
