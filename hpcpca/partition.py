"""Who owns what: the one place where rows, blocks and columns are divided."""

from dataclasses import dataclass

import numpy as np

from .errors import UsageError

BLOCKS = 1024  # blocks that a file set is cut into, where its files and chunks allow
BLOCK_BYTES = 64 << 20  # no block is larger, unless one row is
FEWEST_CHUNKS = 32  # with fewer whole chunks than this, ranks could not be given equal shares


def span(total, parts, index):
    """Return (start, stop) of part ``index`` when ``total`` things are divided into ``parts``
    nearly equal runs.
    """
    size, extra = divmod(total, parts)
    start = index * size + min(index, extra)
    return start, start + size + (index < extra)


NO_ROWS = np.zeros((0, 2), np.int64)


def count_rows(intervals):
    """Number of rows in half-open intervals (r, 2) that do not overlap."""
    return int(np.diff(intervals, axis=1).sum())


def merged(intervals):
    """Return half-open intervals of rows sorted, those that touch or overlap joined: (r, 2)
    int64.
    """
    found = []
    for start, stop in sorted(map(tuple, np.reshape(intervals, (-1, 2)).tolist())):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], stop)
        elif stop > start:
            found.append([start, stop])
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def outside(start, stop, done):
    """Yield what of the rows start..stop−1 lies outside of ``done`` (r, 2), as ``merged`` gives
    it.
    """
    for first, last in done[np.searchsorted(done[:, 1], start, side="right") :]:
        if first >= stop:
            break
        if first > start:
            yield start, int(first)
        start = int(last)
    if start < stop:
        yield start, stop


@dataclass(frozen=True)
class Grid:
    """Ranks as W groups × S shards: rank (w, s) is number w·S + s; group w owns a run of the
    columns.
    """

    groups: int
    shards: int

    @property
    def ranks(self):
        """W·S."""
        return self.groups * self.shards

    def place(self, rank):
        """Return (w, s) of a rank."""
        return divmod(rank, self.shards)

    def group_columns(self, count, group):
        """Return (start, stop) of the columns of a group when there are ``count``."""
        return span(count, self.groups, group)

    def offsets(self, count):
        """Return where each rank's columns start: (ranks + 1) int64; rank r owns
        offsets[r]:offsets[r+1].
        """
        starts = []
        for rank in range(self.ranks):
            group, shard = self.place(rank)
            first, last = self.group_columns(count, group)
            starts.append(first + span(last - first, self.shards, shard)[0])
        return np.array([*starts, count], dtype=np.int64)


def parse_grid(text, ranks):
    """The ``Grid`` of "WxS", or None; raise UsageError where it does not hold all ranks."""
    if text is None:
        return None
    try:
        groups, shards = map(int, text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--grid {text}: write WxS, groups × shards, such as 1x{ranks}") from None
    if groups < 1 or shards < 1 or groups * shards != ranks:
        raise UsageError(
            f"--grid {text} has {groups * shards} places, the run has {ranks} rank(s); W×S must be"
            " that"
        )
    return Grid(groups, shards)


def offsets_among(chosen, offsets):
    """Who owns which of the ``chosen`` columns, a mask (m), numbered among themselves, given who
    owns which of all: (ranks + 1) int64.
    """
    return np.concatenate([[0], np.cumsum(chosen)])[offsets]


def indices(chosen):
    """Where a mask is True: as a slice if that is one run, so that what it selects is a view, else
    as numbers.
    """
    numbers = np.flatnonzero(chosen)
    if not len(numbers):
        return slice(0, 0)
    first, last = int(numbers[0]), int(numbers[-1])
    return slice(first, last + 1) if last - first == len(numbers) - 1 else numbers


@dataclass(frozen=True)
class Blocks:
    """Consecutive rows of one file each, numbered over the whole file set."""

    file: np.ndarray  # (B,) which file
    start: np.ndarray  # (B,) first row within that file
    stop: np.ndarray  # (B,) row after the last

    def __len__(self):
        return len(self.file)

    @property
    def rows(self):
        """Rows of each block: (B)."""
        return self.stop - self.start

    @property
    def edges(self):
        """Row numbers over the whole file set where the blocks begin and end: (B + 1) int64."""
        return np.concatenate([[0], np.cumsum(self.rows)]).astype(np.int64)

    def place(self, number):
        """Return (file, first row within it) of a block."""
        return int(self.file[number]), int(self.start[number])

    def shard(self, shards, index):
        """Return (first, last) of the blocks of a shard: runs of blocks with nearly equal
        numbers of rows.
        """
        edges = self.edges
        ideal = edges[-1] * np.array([index, index + 1]) / shards
        upper = np.clip(np.searchsorted(edges, ideal), 1, len(self))
        nearest = np.where(ideal - edges[upper - 1] <= edges[upper] - ideal, upper - 1, upper)
        return int(nearest[0]), int(nearest[1])

    def runs(self, numbers):
        """Yield (first, last) of blocks first..last−1 among sorted ``numbers`` that follow one
        another in a file.
        """
        numbers = np.asarray(numbers, dtype=np.int64)
        cuts = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(self.file[numbers]) != 0)) + 1
        for run in np.split(numbers, cuts) if len(numbers) else ():
            yield int(run[0]), int(run[-1]) + 1

    def run(self, first, last):
        """Yield (file, start, stop) of blocks first..last−1, joined where they follow one
        another in a file.
        """
        index = first
        while index < last:
            end = index + 1
            while end < last and self.file[end] == self.file[index]:
                end += 1
            yield int(self.file[index]), int(self.start[index]), int(self.stop[end - 1])
            index = end


def blocks_of(file_rows, chunk_rows, row_bytes):
    """Cut files of ``file_rows`` rows into blocks of whole HDF5 chunks, about ``BLOCKS`` over
    the whole file set.

    The numbering depends on the files alone, never on the number of ranks. Chunks too large to
    share out evenly are cut.
    """
    total = sum(file_rows)
    target = max(1, min(-(-total // BLOCKS), BLOCK_BYTES // max(1, row_bytes)))
    parts = []
    for number, (rows, chunk) in enumerate(zip(file_rows, chunk_rows)):
        step = target
        if chunk * row_bytes <= BLOCK_BYTES and chunk * FEWEST_CHUNKS <= total:
            step = max(1, round(target / chunk)) * chunk
        starts = np.arange(0, rows, step, dtype=np.int64)
        parts.append((np.full(len(starts), number), starts, np.minimum(starts + step, rows)))
    return Blocks(*(np.concatenate(column).astype(np.int64) for column in zip(*parts)))
