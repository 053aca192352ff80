"""Tables as text: CSV and the like, plain or compressed by gzip."""

import gzip
import zlib
from bisect import bisect_right
from contextlib import contextmanager

import numpy as np

from ...errors import DataError, UsageError, describe
from ..watch import Passage
from .chosen import chosen
from .file import PIECE_BYTES, ImportedFile
from .parsing import WORDS, Parser, Wrong, is_number, places_of
from .settings import NAMED

MARKS = {".csv": ",", ".tsv": "\t", ".txt": None}
MARK_OF_UTF8 = b"\xef\xbb\xbf"  # that some programs begin a file with
LONGEST = 1 << 30  # bytes of a line
SHOWN = 40  # characters of a value
MIB = 1 << 20
LARGE = 16 << 20  # bytes from which on loading compiled kernels takes less time than it saves


class TextFile(ImportedFile):
    """One text file, a row a line; lines with nothing in them count for nothing."""

    suffixes = tuple(MARKS) + tuple(f"{suffix}.gz" for suffix in MARKS)

    def __init__(self, path, how, dtype):
        super().__init__(path)
        self.dtype = np.dtype(dtype or np.float64)
        self._is_packed = path.lower().endswith(".gz")
        suffix = next(
            (each for each in MARKS if path.lower().removesuffix(".gz").endswith(each)), ""
        )
        mark = MARKS.get(suffix, ",") if how.delimiter is None else how.delimiter
        work = self.dtype if self.dtype in (np.int64, np.uint64) else np.float64
        self._missing = ("", *WORDS, *how.missing)
        self._parser = Parser(NAMED.get(mark, mark), how.missing, work)
        if self._parser.gone_numbers and self.dtype.kind != "f":
            raise UsageError(f"--missing: {self.dtype} has no NaN; give --dtype float64")
        self._parser.is_compiled = self.is_large = self.size > LARGE
        with self._reading() as (file, _):
            begin, lines = self._begin(file, how)
        self._set_columns(how)
        self._count(begin, lines)
        if not self.count:
            raise DataError(f"{path} has no rows of numbers; leave it out, or write it again")

    @contextmanager
    def _reading(self):
        """The open file, as it reads once unpacked, and as it lies on the disk."""
        try:
            with open(self.path, "rb") as raw:
                if self._is_packed:
                    with gzip.GzipFile(fileobj=raw) as file:
                        yield file, raw
                else:
                    yield raw, raw
        except (EOFError, zlib.error, OSError) as error:
            raise DataError(
                f"{self.path} cannot be read: {describe(error)}; it may be damaged or cut short"
            ) from None

    def _begin(self, file, how):
        """Find width and names of the columns; return where the rows begin, and the lines before
        them.
        """
        offset, start, begins, remarks, heads = 0, 0, [], [], []
        while len(heads) < 2 and (line := file.readline(LONGEST)):
            offset += len(line)
            if not begins and line.startswith(MARK_OF_UTF8):
                start, line = len(MARK_OF_UTF8), line.removeprefix(MARK_OF_UTF8)
            text = self._told(line)
            if text.startswith("#") and not heads:
                remarks.append(text.lstrip("# "))
            elif text:
                heads.append((len(begins), text))
            begins.append(offset)
        if not heads:
            raise DataError(f"{self.path} has no rows of numbers; leave it out, or write it again")
        fields = [self._parser.fields(text) for _, text in heads]
        self.width = self._parser.width = len(fields[0])
        self._check_mark(heads[0][1], how)
        rows = heads[0][0]
        if self._is_header(fields, how):
            self.names, rows = fields[0], rows + 1
        elif remarks and len(names := self._parser.fields(remarks[-1])) == self.width > 1:
            self.names = names if not any(map(self._is_number, names)) else None
        return ([start, *begins])[rows], rows

    def _told(self, line):
        """A line as text, without its end; raise DataError if it is of no text in UTF-8."""
        if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise DataError(f"{self.path} is UTF-16; write it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
        if b"\0" in line:
            raise DataError(f"{self.path} is no text; name another file")
        if b"\r" in (text := line.rstrip(b"\r\n")):
            raise DataError(
                f"{self.path} has lines that end with a carriage return alone; convert it first:"
                " tr '\\r' '\\n'"
            )
        return text.decode("utf-8", "replace")

    def _check_mark(self, line, how):
        if self.width == 1 and how.delimiter is None and self._parser.delimiter is not None:
            for mark, name in ((";", "semicolon"), ("\t", "tab"), (",", "comma")):
                if mark in line:
                    raise DataError(
                        f"{self.path} has one column, unless its values are divided otherwise; give"
                        f" --delimiter {name}"
                    )

    def _is_header(self, fields, how):
        """Whether the first line has names: no number at all. If it has some, a word may be a bad
        number: raise DataError.
        """
        if how.header is not None:
            return how.header
        known = [field for field in fields[0] if field]
        words = [field for field in known if not self._is_number(field)]
        if not words:
            return False
        if len(words) == len(known):
            return True
        raise DataError(
            f"{self.path}: the first line may be names of columns, or a row in which"
            f" {words[0]!r} is no number; give --header or --no-header"
        )

    def _is_number(self, field):
        return field in self._missing or is_number(field)

    def _set_columns(self, how):
        numbers = chosen(how, self.names, self.width)
        self._parser.numbers = None if numbers is None else tuple(numbers)
        self.columns = self.width if numbers is None else len(numbers)
        self._all_names = self.names
        if self.names and numbers is not None:
            self.names = [self.names[number] for number in numbers]

    def _count(self, begin, lines):
        """Count rows, and keep where pieces begin: (offset, rows and lines before)."""
        self.count, self._places = 0, []
        passage, before = Passage(self.size // MIB, "MiB of text", "MiB"), 0
        with self._reading() as (file, raw):
            file.seek(begin)
            for piece in self._pieces(file):
                self._places.append((begin, self.count, lines))
                begin, lines = begin + len(piece), lines + piece.count(b"\n")
                self.count += len(places_of(piece))
                passage.done((now := raw.tell() // MIB) - before)
                before = now

    def _pieces(self, file):
        """Yield what a file has from here on, in pieces of whole lines."""
        parts, size = [], 0
        while read := file.read(PIECE_BYTES):
            end = read.rfind(b"\n") + 1
            if end:
                yield b"".join([*parts, read[:end]])
                parts, size = [], 0
            parts.append(read[end:])
            size += len(read) - end
            if size > LONGEST:
                raise DataError(f"{self.path} has a line of over {LONGEST:,} bytes; is it a table?")
        if rest := b"".join(parts):
            yield rest

    def read(self, start, stop):
        """Yield rows start..stop−1 in order; raise DataError for a line that is no row."""
        number = bisect_right(self._places, start, key=lambda place: place[1]) - 1
        offset, done, before = self._places[number]
        with self._reading() as (file, _):
            file.seek(offset)
            for piece in self._pieces(file):
                places = places_of(piece)
                mine = places[max(0, start - done) : max(0, stop - done)]
                if len(mine):
                    yield self._rows(piece, mine, before)
                done, before = done + len(places), before + piece.count(b"\n")
                if done >= stop:
                    return
        raise DataError(f"{self.path} was cut short while it was read; start again")

    def _rows(self, piece, places, before):
        try:
            return self._parser.rows(piece, places)
        except Wrong as wrong:
            number = before + 1 + piece.count(b"\n", 0, int(places[wrong.number, 0]))
            raise DataError(self._in_words(wrong, number)) from None

    def _in_words(self, wrong, number):
        where = f"{self.path}, line {number}"
        if len(wrong.fields) != self.width:
            return (
                f"{where} has {len(wrong.fields)} fields, not {self.width} as the first one; mend"
                " it, or give another --delimiter"
            )
        if wrong.column is None:
            return f"{where}: its quotes leave it unclear what the values are; mend it"
        names, value = self._all_names, wrong.fields[wrong.column]
        name = names[wrong.column] if names and names[wrong.column] else wrong.column
        text = value.encode("latin-1", "replace").decode("utf-8", "replace")
        text = repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
        column = f"column {wrong.column}" + (f" ({name})" if name != wrong.column else "")
        if self._parser.work.kind != "f":
            return f"{where}, {column}: {text} is no {self._parser.work}; give --dtype float64"
        return (
            f"{where}, {column}: {text} is no number; mend it, or give --missing WORD if it stands"
            f" for a missing value, or --skip-columns {name}"
        )
