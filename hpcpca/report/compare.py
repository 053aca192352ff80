"""Whether two sets of vectors agree, in lines of text."""

import numpy as np

from ..errors import DataError, UsageError
from ..files.paths import split_dataset
from ..files.result import Stored, format_of
from ..linalg.subspaces import agreement
from ..sources.columns import Vectors
from ..sources.watch import Passage
from ..units import format_size

SHOWN = 64  # pairs
BLOCK_BYTES = 64 << 20  # of columns at a time, whatever the memory
COPIES = 4  # of a block: as read, in float64, and what is made of it


class Side:
    """One of the two: a result, or an array of vectors, of which the first ``count`` are taken."""

    def __init__(self, text, count=None):
        """Open it; raise DataError, UsageError."""
        self.text, self.stored = text, None
        path, dataset = split_dataset(text)
        if dataset is None and not path.endswith(".npy") and format_of(path):
            self.stored = Stored(path)
            self.stored.require_vectors()
            dataset = self.stored.vectors_name
        self.vectors = Vectors(path, dataset)
        self.length, self.d = self.vectors.shape
        if count is not None and not 1 <= count <= self.length:
            raise UsageError(f"-k {count}: {text} has {self.length}; ask for 1 to {self.length}")
        self.count = self.length if count is None else count

    def columns(self, start, stop):
        """Columns start..stop−1 of the vectors: (count, stop − start) float64."""
        return self.vectors.columns(start, stop)[: self.count]


def compared(first, second, count=None, memory=None):
    """Return (lines, largest principal angle in radians) on two results or arrays of vectors;
    raise DataError, UsageError.
    """
    sides = [Side(text, count) for text in (first, second)]
    a, b = sides
    if a.d != b.d:
        raise DataError(
            f"{first} has vectors of {a.d} entries, {second} of {b.d}; name vectors of the same"
            " features"
        )
    step = _columns(a.length + b.length, memory)
    passage = Passage(2 * a.d, "columns, twice", "columns")

    def blocks():
        for start in range(0, a.d, step):
            stop = min(a.d, start + step)
            yield a.columns(start, stop), b.columns(start, stop)
            passage.done(stop - start)

    found = agreement(blocks)
    for side in sides:
        side.vectors.close()
    return list(_lines(a, b, found)), float(found.angles[-1])


def _columns(count, memory):
    """Columns of a block; raise UsageError if not even one fits the memory."""
    block = min(BLOCK_BYTES, memory or BLOCK_BYTES) // COPIES
    if block < 8 * count:
        raise UsageError(
            f"--memory {format_size(memory)} is too little: {format_size(8 * count * COPIES)} are"
            " needed"
        )
    return block // (8 * count)


def _lines(a, b, found):
    yield f"a: {a.text}, {a.count} vectors; b: {b.text}, {b.count} vectors; of {a.d} entries"
    angles = ", ".join(f"{angle:.2g}" for angle in found.angles[-4:][::-1])
    more = ", …" if len(found.angles) > 4 else ""
    yield f"principal angles between their spans, largest first (radians): {angles}{more}"
    values = a.stored is not None and b.stored is not None
    yield f"{'a':>9} {'b':>4} {'sign':>4} {'angle':>9}" + (
        f" {'eigenvalue of a':>16} {'b − a':>10}" if values else ""
    )
    for (i, j), sign, apart in list(zip(found.pairs, found.signs, found.apart))[:SHOWN]:
        line = f"{i:>9} {j:>4} {'−' if sign < 0 else '+':>4} {apart:>9.2g}"
        if values:
            own, other = a.stored.eigenvalues[i], b.stored.eigenvalues[j]
            line += f" {own:>16.9g} {(other - own) / (own or 1):>+10.1e}"
        yield line
    if len(found.pairs) > SHOWN:
        yield f"{'…':>9} ({len(found.pairs)} in all)"
    others = [np.setdiff1d(np.arange(s.count), found.pairs[:, n]) for n, s in enumerate((a, b))]
    for name, rest in zip("ab", others):
        if len(rest):
            yield f"without a partner: {len(rest)} of {name}"
