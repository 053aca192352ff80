"""What is wrong with data, found before a run: by one reading of the values, and by the headers
for the storage.
"""

from dataclasses import dataclass

import numpy as np

from ..comm.counters import Counters
from ..files.file_set import CHUNK_BYTES
from ..partition import BLOCK_BYTES, FEWEST_CHUNKS
from ..units import format_size
from .rows import read_ahead
from .source_rows import places

TINY_CHUNK = 16 << 10  # bytes: below, looking a chunk up costs more than reading it
NARROW_CHUNK = (
    512  # bytes of a row in one chunk: below, gathering rows costs more than reading them
)
FEW_CHUNKS = 64
UNEQUAL = 4  # largest shard over the median one
LISTED = 8
TROUBLE, NOTE = "trouble", "note"
RESHARD = "rewrite them with 'hpcpca data shard DATA -o FOLDER'"


@dataclass(frozen=True)
class Values:
    """Statistics of one reading, over the finite values."""

    low: np.ndarray  # (d,) smallest of each column
    high: np.ndarray  # (d,) largest
    sums: np.ndarray  # (d,) float64
    counts: np.ndarray  # (d,) int64, how many are finite
    bad: np.ndarray  # (files,) int64, NaN, Inf and missing values in each file
    first: np.ndarray  # (files,) int64, row·d + column of the first of them

    @property
    def means(self):
        """Means of the columns that have a finite value."""
        return self.sums[self.counts > 0] / self.counts[self.counts > 0]

    @property
    def constant(self):
        """Numbers of the constant columns."""
        return np.flatnonzero(self.low == self.high)


def scan(source, first, last, room):
    """Read blocks first..last−1, with buffers of at most ``room`` bytes, and return their
    ``Values``; raise DataError.
    """
    source.copy_rows()  # files that change are told of with all else, in the end
    values = _nothing(source)
    edges = source.blocks.edges
    taken = places(source, int(edges[first]), int(edges[last]), room)
    for block in read_ahead(source, taken, Counters()):
        number, start = source.place(block.first)
        _take(values, number, start, block.rows, source.missing[number])
    return values


def joint(values, reduce):
    """Make ``values`` those of all ranks; ``reduce(kind, array)`` takes the "min", "max" or
    "sum" over ranks in place. Collective.
    """
    for kind, array in (
        ("min", values.low),
        ("max", values.high),
        ("sum", values.sums),
        ("sum", values.counts),
        ("sum", values.bad),
        ("min", values.first),
    ):
        reduce(kind, array)
    return values


def _ends(dtype):
    """Smallest and largest value of a type."""
    return (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def _nothing(source):
    kind = (
        np.dtype(np.float32) if source.dtype == np.float16 else source.dtype
    )  # MPI has no half precision
    lowest, highest = _ends(kind)
    files = len(source.parts)
    return Values(
        np.full(source.d, highest, kind),
        np.full(source.d, lowest, kind),
        np.zeros(source.d),
        np.zeros(source.d, np.int64),
        np.zeros(files, np.int64),
        first=np.full(files, np.iinfo(np.int64).max),
    )


def _take(values, number, start, rows, missing):
    low, high, good = rows.min(axis=0), rows.max(axis=0), len(rows)
    is_finite = (np.isfinite(low) & np.isfinite(high)).all()
    if not is_finite or (missing and missing.may_be_among(low.min(), high.max())):
        is_good = np.isfinite(rows)
        if missing:
            is_good &= ~missing.among(rows)
        if (spots := np.flatnonzero(~is_good)).size:
            values.bad[number] += len(spots)
            values.first[number] = min(values.first[number], start * rows.shape[1] + spots[0])
        lowest, highest = _ends(rows.dtype)
        low = rows.min(axis=0, where=is_good, initial=highest)
        high = rows.max(axis=0, where=is_good, initial=lowest)
        rows, good = np.where(is_good, rows, 0), is_good.sum(axis=0)
    np.minimum(values.low, low, out=values.low)
    np.maximum(values.high, high, out=values.high)
    values.sums[:] += rows.sum(axis=0, dtype=np.float64)
    values.counts[:] += good


def value_findings(source, values):
    """Yield (trouble or note, text) on the values."""
    for part, missing, bad, first in zip(source.parts, source.missing, values.bad, values.first):
        if bad:
            row, column = divmod(int(first), source.d)
            row, column = part.row(row), source.view.column(column)
            what = "NaN, Inf or missing by its attributes" if missing else "NaN or Inf"
            yield (
                TROUBLE,
                (
                    f"{part.name}: {bad} value(s) are {what}, the first in row {row}, "
                    f"column {column}; remove or fill them first"
                ),
            )
    constant = values.constant
    if len(constant) == source.d:
        yield (
            TROUBLE,
            "every column is constant: there is no variance, and there are no principal components",
        )
    elif len(constant):
        numbers = [source.view.column(column) for column in constant[:LISTED]]
        listed = ", ".join(map(str, numbers)) + (", …" if len(constant) > LISTED else "")
        yield (
            NOTE,
            (
                f"{len(constant)} of {source.d} columns are constant ({listed}); they have no part"
                " in any component"
            ),
        )


def storage_findings(source):
    """Yield (trouble or note, text) on chunks, types and sizes of files. For one rank to call."""
    found = {}
    for number, part in enumerate(source.parts):
        with source.open(number) as opened:
            for finding in _of_type(opened.dtype, source.dtype) + _of_chunks(opened, source.n):
                found.setdefault(finding, []).append(part.name)
    for (kind, text), names in found.items():
        yield (
            kind,
            names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {text}",
        )
    rows = np.array([part.rows for part in source.parts])
    if rows.max() > UNEQUAL * np.median(rows):
        yield (
            NOTE,
            (
                f"files hold {rows.min()} to {rows.max()} rows; ranks get equal shares all the"
                f" same, but programs that give each rank whole files do not: {RESHARD}"
            ),
        )


def _of_type(stored, held):
    found = []
    if stored.newbyteorder("=") != stored:
        found.append(
            (
                NOTE,
                f"{stored} is in the other byte order and is converted at every reading; {RESHARD}",
            )
        )
    if held == np.float64 or (held.kind in "iu" and held.itemsize > 2):
        found.append(
            (
                NOTE,
                (
                    f"{held} is computed with in float64; where 7 digits are enough, float32 is"
                    " twice as fast (hpcpca data shard --dtype float32)"
                ),
            )
        )
    return found


def _of_chunks(opened, total):
    """Findings on the chunks of a file in a set of ``total`` rows; contiguous data have none."""
    rows, d = opened.shape
    if opened.chunks is None or not rows * d:
        return []
    (height, width), size = opened.chunks, opened.dtype.itemsize
    chunk, band = height * width * size, height * d * size
    count = -(-rows // height) * -(-d // width)
    is_filtered = opened.is_filtered
    is_cut = band > BLOCK_BYTES or height * FEWEST_CHUNKS > total
    faults = (
        (
            chunk < TINY_CHUNK and count > FEW_CHUNKS,
            TROUBLE,
            f"{count} chunks of {format_size(chunk)} each: finding them takes longer than reading",
        ),
        (
            width < d and width * size < NARROW_CHUNK,
            TROUBLE,
            f"a row is gathered from {-(-d // width)} chunks",
        ),
        (
            is_filtered and is_cut and band > CHUNK_BYTES,
            TROUBLE,
            (
                f"compressed and only {-(-rows // height)} chunk(s) tall: blocks of rows"
                " are smaller, and each block decompresses whole chunks again"
            ),
        ),
        (
            is_filtered and chunk > CHUNK_BYTES,
            NOTE,
            (
                f"compressed chunks of {format_size(chunk)} exceed HDF5's usual cache of"
                f" {format_size(CHUNK_BYTES)}: what reads less than a whole chunk decompresses it"
                " again"
            ),
        ),
        (
            chunk > BLOCK_BYTES and not is_filtered,
            NOTE,
            f"chunks of {format_size(chunk)}: more than is read at a time",
        ),
    )
    return [
        (kind, f"chunks {opened.chunks}: {text}" + (f"; {RESHARD}" if kind == TROUBLE else ""))
        for holds, kind, text in faults
        if holds
    ]
