"""The data of a run: the rows of one or more files, one after the other, as one array."""

import zlib
from contextlib import contextmanager

import numpy as np

from ..errors import DataError, on_all_ranks
from ..files.damage import reporting_damage
from ..files.opening import CHUNK_CACHE
from ..partition import blocks_of, outside
from ..units import listed
from .block import Block, SparseBlock
from .found import parts_of
from .in_place import FORGET, InPlace
from .missing import Meaning, missing_values, packing_of
from .part import choose
from .reading import PLAIN
from .view import View

PIECE_BYTES = 64 << 20  # read at a time


class Source(InPlace):
    """Rows of a file set, read as blocks that lie in one file each."""

    def __init__(self, parts, notes=(), reading=PLAIN, is_whole=True):
        """``reading`` says what is made of the rows of the files; they are unpacked unless
        ``is_whole`` is False.
        """
        self.parts, self.notes = parts, notes
        self.roots = None  # of the weights of rows (n), whose mean is 1
        self._begin()
        packings = [(is_whole and packing_of(p.attributes, p.name)) or None for p in parts]
        self.view = View(reading, parts[0].columns, np.dtype(parts[0].dtype), any(packings))
        none = np.empty(0, self.view.raw)
        self._meanings = [
            Meaning(
                missing_values(part.attributes, (packing.raw(none) if packing else none).dtype),
                packing,
            )
            for part, packing in zip(parts, packings)
        ]
        # what stands for missing values among those that are read
        is_gone = self.view.changes_values
        self.missing = [None if is_gone else each.missing for each in self._meanings]
        if getattr(reading, "starts_in_double", False):
            self.view.be_exact()
        self._size()

    def _size(self):
        self.d, self.dtype = self.view.d, self.view.dtype
        self.n = sum(part.rows for part in self.parts)
        # of each file, numbered over the whole set
        self.first_rows = np.cumsum([0, *(part.rows for part in self.parts)])
        rows, chunks = zip(*((part.rows, part.chunk_rows) for part in self.parts))
        self.blocks = blocks_of(list(rows), list(chunks), self.row_bytes)
        self.unmapped = self._why_unmapped()  # in words; "" if rows are used where they lie

    @property
    def row_bytes(self):
        """Size of a row in memory in its own type."""
        return self.d * self.dtype.itemsize

    @property
    def bytes(self):
        """Size of all rows."""
        return self.n * self.row_bytes

    def describe(self):
        """The description of the source for results and checkpoints: list of dicts."""
        told = [part.describe() for part in self.parts]
        if self.roots is not None:
            told[0]["content"] = zlib.crc32(self.roots.tobytes(), told[0]["content"])
        return told

    @property
    def feature_shape(self):
        """Lengths of the axes that became columns, all of them."""
        return self.parts[0].feature_shape

    @property
    def dataset(self):
        """Name of the dataset, or of the first ones if files have different ones."""
        return listed(list(dict.fromkeys(part.dataset for part in self.parts)))

    @property
    def title(self):
        """Name, sizes, type and number of files, in words."""
        size = f"{self.n} × {self.d} {self.dtype}"
        if len(self.feature_shape) > 1 and self.view.numbers is None:
            size = f"{self.n} × ({' × '.join(map(str, self.feature_shape))}) {self.dtype}"
        if self.stored is not None:
            size = f"{size}, sparse with {self.stored} values,"
        return f"{self.dataset}, {size} in {len(self.parts)} file(s)"

    def tell(self, say):
        """Call ``say(line)`` for everything that is odd about the files."""
        for note in self.notes:
            say(note)

    def common_attributes(self):
        """The attributes that say what values mean; raise DataError if files have others."""
        first = self.parts[0]
        for part in self.parts:
            if str(part.attributes) != str(first.attributes):
                raise DataError(
                    f"{part.name} has the attributes {part.attributes}, the first file "
                    f"({first.name}) has {first.attributes}; "
                    "make them the same, or write each file by itself"
                )
        return first.attributes

    def learn(self, learned):
        """Read as it was ``Learned`` from now on; raise DataError on all ranks if there are no such
        columns.
        """
        numbers = learned.columns
        if numbers is not None and max(numbers, default=0) >= self.view.width:
            raise on_all_ranks(
                DataError(
                    f"{self.parts[0].name} has {self.view.width} columns, and column {max(numbers)}"
                    " is asked for; give data with the features that were fitted"
                )
            )
        self.view.learn(learned)
        if learned.left_out is not None:
            kept = np.delete(np.arange(self.n), learned.left_out)
            self.parts = choose(self.parts, kept)
            self.weigh(None if self.roots is None else self.roots[kept] ** 2)
        self._size()

    def buffer(self, rows):
        """Memory that ``read`` can put so many rows into."""
        return np.empty((rows, self.d), self.dtype)

    def read(self, number, start, stop, into=None):
        """Return the ``Block`` of rows start..stop−1 of file ``number``; raise DataError if they
        cannot be read.

        ``into`` is a ``buffer`` that has room for them. The block then is a view of it, valid until
        the buffer is used again. Without one, rows that are mapped are not copied, and cannot be
        written to.
        """
        part = self.parts[number]
        if into is None and not self.unmapped:
            rows = self._maps.of(part).rows(start, stop)
            if rows is not None:
                return Block(rows, int(self.first_rows[number]) + start)
        rows = (self.buffer(stop - start) if into is None else into)[: stop - start]
        with reporting_damage(part.path), self.open(number) as opened:
            self.fill(number, opened, start, stop, rows)
            if FORGET:
                opened.forget(start, stop)
        return Block(rows, int(self.first_rows[number]) + start)

    @property
    def stored(self):
        """How many values sparse matrices have; None unless all files have such, whose values can
        be read and used as they are stored.
        """
        each = [part.stored for part in self.parts]
        is_changed = self.roots is not None or not self.view.is_one_to_one
        return None if is_changed or None in each else sum(each)

    @contextmanager
    def exact(self):
        """Context in which values that are computed are read in float64: what is learnt of them is
        for runs in double too.
        """
        held = self.dtype
        with self.view.exact():
            self.dtype = self.view.dtype
            try:
                yield
            finally:
                self.dtype = held

    def be_exact(self):
        """Have values that are changed in float64 from now on, whatever the files have."""
        if self.view.is_rounded:
            self.view.be_exact()
            self._size()

    def weigh(self, weights):
        """Give the rows ``weights`` (n), or None; their mean becomes 1. Raise DataError on all
        ranks if they are all 0.
        """
        if weights is not None and not weights.any():
            raise on_all_ranks(DataError("no row that is taken has a weight above 0"))
        self.roots = None if weights is None else np.sqrt(weights / weights.mean())

    def roots_of(self, block):
        """Roots of the weights of a block's rows (r), or None."""
        return None if self.roots is None else self.roots[block.first : block.stop]

    def roots_of_shard(self, shards, shard):
        """Roots of the weights of a shard's rows (r), or None."""
        edges = self.blocks.edges
        first, last = (edges[number] for number in self.blocks.shard(shards, shard))
        return None if self.roots is None else self.roots[first:last]

    def roots_of_runs(self, runs):
        """Roots of the weights of the rows (r) in runs [(first, last)] of blocks, or None."""
        if self.roots is None:
            return None
        edges = self.blocks.edges
        parts = [self.roots[edges[first] : edges[last]] for first, last in runs]
        return np.concatenate(parts or [self.roots[:0]])

    def numbers(self):
        """Numbers of the rows that are taken, counted over all that files have: (n)."""
        found, first = [], 0
        for part in self.parts:
            some = np.arange(part.height) if part.chosen is None else part.chosen
            found.append(first + some)
            first += part.height
        return np.concatenate(found)

    def read_stored(self, number, start, stop):
        """Return the ``SparseBlock`` of rows start..stop−1 of file ``number``; raise DataError."""
        with reporting_damage(self.parts[number].path), self.open(number) as opened:
            found = self.view.read_stored(opened, start, stop)
        return SparseBlock(*found, int(self.first_rows[number]) + start)

    def open(self, number, cache=CHUNK_CACHE):
        """Return the open rows of file ``number``; raise DataError."""
        return self.parts[number].open(cache)

    def fill(self, number, opened, start, stop, rows):
        """Put rows start..stop−1 of file ``number``, which is ``opened``, into ``rows``."""
        self.view.read(opened, start, stop, rows, self._meanings[number])

    def read_across(self, first, stop, into=None):
        """Yield the ``Block`` of each file that has some of the rows first..stop−1, numbered over
        the whole set: as of ``read``, ``into`` having room for all.
        """
        done = first
        while done < stop:
            number, start = self.place(done)
            end = min(self.parts[number].rows, start + stop - done)
            yield self.read(number, start, end, None if into is None else into[done - first :])
            done += end - start

    def first_row(self):
        """The first row of all: (d); raise DataError for NaN, which a shift would spread."""
        number, row = self.place(0)
        block = self.read(number, row, row + 1)
        self.check_finite(block)
        return block.rows[0]

    def place(self, row):
        """Return (file, row in the file) of the row numbered ``row`` over the whole set."""
        number = int(np.searchsorted(self.first_rows, row, side="right")) - 1
        return number, row - int(self.first_rows[number])

    def pieces(self, first, last, piece_bytes=PIECE_BYTES):
        """Yield (file, start, stop) of blocks first..last−1 in pieces of about ``piece_bytes``,
        but whole chunks.
        """
        for number, start, stop in self.blocks.run(first, last):
            chunk = self.parts[number].chunk_rows
            step = max(1, piece_bytes // max(1, self.row_bytes))
            step = max(chunk, step // chunk * chunk)
            while start < stop:
                end = min(stop, (start // step + 1) * step)
                yield from self.cut(number, start, end)
                start = end

    def cut(self, number, start, stop):
        """Yield (file, start, stop) of rows, cut where they are mapped and do not follow."""
        runs = self.parts[number].runs
        edges = [] if self.unmapped or runs is None else runs[:, 0]
        inside = [int(each) for each in edges if start < each < stop]
        for first, last in zip([start, *inside], [*inside, stop]):
            yield number, first, last

    def pieces_left(self, done, shards, shard, piece_bytes=PIECE_BYTES):
        """Return a shard's part [(file, start, stop)] of all pieces outside of the rows ``done``
        (r, 2), numbered over the whole set.

        If nothing is done yet, these are the pieces of the shard's blocks.
        """
        if not len(done):
            return list(self.pieces(*self.blocks.shard(shards, shard), piece_bytes))
        left = []
        for number, start, stop in self.pieces(0, len(self.blocks), piece_bytes):
            first = int(self.first_rows[number])
            left += [
                (number, a - first, b - first)
                for a, b in outside(first + start, first + stop, done)
            ]
        if not left:
            return left
        ends = np.cumsum([stop - start for _, start, stop in left])
        cuts = np.searchsorted(ends, ends[-1] * np.array([shard, shard + 1]) / shards)
        return left[cuts[0] : cuts[1] if shard + 1 < shards else None]

    @property
    def marks_missing(self):
        """Whether some files have a value that stands for missing ones."""
        return any(each is not None for each in self.missing)

    def check_finite(self, block):
        """Return max |value| of a block.

        Raises DataError that names the first NaN, Inf or missing value.
        """
        values = block.values
        if not values.size:
            return 0.0
        low, high = values.min(), values.max()
        if values.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
            self.refuse(block, ~np.isfinite(values))
        missing = self.missing[self.place(block.first)[0]]
        if missing and missing.may_be_among(low, high) and (bad := missing.among(values)).any():
            self.refuse(block, bad, missing.reason)
        return max(abs(float(low)), abs(float(high)))

    def refuse(self, block, bad, reason=None):
        """Raise DataError for the first of the values of a block that are ``bad``."""
        row, column, value = block.place(bad)
        number, start = self.place(block.first)
        part = self.parts[number]
        why = f", {reason(value)}" if reason else ""
        if self.view.reading.asked():
            why = f" after {', '.join(self.view.reading.asked())}"
        raise DataError(
            f"{part.name}: row {part.row(start + row)}, column {self.view.column(column)} is "
            f"{value}{why}; remove or fill such values first (--nan of fit, and of regress on rows)"
        )


def open_source(arguments, reading=PLAIN, is_whole=True, own=(), least=2):
    """Look at the files that DATA arguments name and return their ``Source``; raise DataError.

    For one rank to call.

    ``reading`` is a ``Reading``, or settings with one. ``is_whole`` is False if data are copied as
    they are: values may be packed then, or never written. The files ``own`` are left out of globs
    and folders. Datasets of fewer than ``least`` dimensions are refused.
    """
    parts, notes = parts_of(arguments, reading, is_whole, own, least)
    return Source(parts, notes, reading, is_whole)
