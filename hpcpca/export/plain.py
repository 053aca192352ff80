"""One array as ``.npy``, or as text with commas."""

import numpy as np

from ..files.formats import CHECKPOINT, RESULT, SCORES
from ..files.outputs import whole
from ..files.paths import split_dataset
from ..files.plain import write_csv, write_npy
from ..files.result import Stored, format_of
from ..pca.features import Features, of_result
from .rows import reading
from .samples import of_scores

AS_TEXT = 40  # times the size of a row: its numbers as Python has them, and text


def to_npy(asked):
    """Write an array as numpy reads it; return what it is, in words."""
    asked.refuse_scores()
    with reading(asked.text, asked.memory) as rows:
        size = int(np.prod(rows.extent)) * rows.opened.dtype.itemsize
        with whole(asked.output, count=size) as part, open(part, "wb") as file:
            write_npy(file, rows.extent, rows.opened.dtype, (some for _, some in rows.pieces()))
        size = " × ".join(map(str, rows.extent))
        return f"{rows.dataset}, {size} {rows.opened.dtype}{_scaled(asked.text, rows)}"


def to_csv(asked):
    """Write an array as lines of text with a label each, below a line that names the columns;
    return what it is, in words. Components are columns: a line for each feature.
    """
    asked.refuse_scores()
    with reading(asked.text, asked.memory, AS_TEXT) as rows:
        table = _table(split_dataset(asked.text)[0], rows)
        with whole(asked.output) as part, open(part, "wb") as file:
            write_csv(file, table.head, rows.opened.dtype, table.lines())
        size = f"{table.count} lines of {len(table.head) - 1} numbers"
        return f"{rows.dataset}, {size}{_scaled(asked.text, rows)}"


def _scaled(text, rows):
    """What has to be said of an array whose units are those of scaled values; "" of others."""
    path = split_dataset(text)[0]
    if path.endswith(".npy") or format_of(path) not in (RESULT, CHECKPOINT):
        return ""
    stored = Stored(path)
    is_scaled = "scale" in stored.arrays and rows.dataset in (stored.vectors_name, "mean")
    return f", of values times scale: {path}:scale has it" if is_scaled else ""


class Table:
    """Lines of the rows of an array: numbered, or with ``labels`` (n)."""

    def __init__(self, rows, head, labels=None):
        self._rows, self._labels, self.head = rows, labels, head
        self.count = rows.opened.shape[0]

    def lines(self):
        """Yield (labels, rows) of some lines at a time."""
        for start, some in self._rows.pieces():
            numbers = range(start, start + len(some))
            yield [self._labels[n] if self._labels else str(n) for n in numbers], some


class Turned:
    """Lines of the columns of vectors, which are held: features of components."""

    STEP = 1 << 16

    def __init__(self, rows, head, features):
        self._rows, self.head, self._features = rows, head, features
        self.count = rows.opened.shape[1]

    def lines(self):
        """As of ``Table``."""
        whole = np.concatenate([some for _, some in self._rows.pieces()])
        names = self._features.names
        for start in range(0, self.count, self.STEP):
            some = whole[:, start : start + self.STEP].T
            numbers = range(start, start + len(some))
            yield [names[n] if names else self._features.name(n) for n in numbers], some


def _table(path, rows):
    """How the rows of a dataset become lines."""
    kind = "" if path.endswith(".npy") else format_of(path)
    width = rows.opened.shape[1]
    is_flat = len(rows.extent) == 1
    if kind in (RESULT, CHECKPOINT):
        stored = Stored(path)
        is_ours = stored.problem == "fit"
        features = of_result(stored) if is_ours else Features(())
        if rows.dataset == stored.vectors_name:
            numbers = range(stored.count)
            what = "feature" if is_ours else "target"
            return Turned(rows, [what, *(f"component_{k}" for k in numbers)], features)
        label = "component" if rows.extent[0] == stored.count else "row"
        head = [rows.dataset] if is_flat else [f"column_{k}" for k in range(width)]
        is_of_features = is_flat and rows.extent[0] == stored.d != stored.count
        names = [features.name(k) for k in range(stored.d)] if is_of_features else None
        return Table(rows, ["feature" if is_of_features else label, *head], names)
    if kind == SCORES and rows.dataset == "scores":
        samples = of_scores(path)
        labels = None if samples.values is None else samples.words()
        head = [samples.name or "row", *(f"component_{k}" for k in range(width))]
        return Table(rows, head, labels)
    names = [rows.dataset] if is_flat else [f"column_{k}" for k in range(width)]
    return Table(rows, ["row", *names])
