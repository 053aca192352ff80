"""Numbers in lines of text, many lines at a time: by numpy, or by compiled kernels and numpy for
what they leave.
"""

import csv
import re
import warnings

import numpy as np

WORDS = ("NA", "N/A", "n/a", "NULL", "null", "None")  # for a missing value; NaN is a number
NEWLINE, RETURN = 10, 13


class Wrong(Exception):
    """Line ``number`` of those parsed has ``fields``, of which number ``column`` is no number;
    None: they are too many or too few.
    """

    def __init__(self, number, fields, column=None):
        super().__init__(number)
        self.number, self.fields, self.column = number, fields, column


class Parser:
    """Lines of ``width`` fields to rows of ``work``, int64, uint64 or float64.

    ``delimiter`` None is any run of blanks. ``numbers`` are those of the columns that are taken,
    None all. Kernels are worth loading if ``is_compiled``.
    """

    is_compiled = False

    def __init__(self, delimiter, missing, work):
        self.delimiter, self.work = delimiter, np.dtype(work)
        self.width = self.numbers = None
        self.gone_numbers = [float(word) for word in missing if is_number(word)]
        either = b"|".join(re.escape(word.encode()) for word in (*WORDS, *missing))
        if delimiter is None:
            self._gone = re.compile(rb"(?<!\S)(?:%s)(?!\S)" % either)
        else:
            other = rb"[^%s\n]" % re.escape(delimiter.encode("latin-1"))
            words = rb'(?:%s|"(?:%s)?"|)' % (either, either)
            self._gone = re.compile(rb"(?<!%s)[ ]*%s[ ]*(?!%s)" % (other, words, other))

    def fields(self, line):
        """Fields of a line (str), without blanks around them."""
        if self.delimiter is None:
            return [field.strip('"') for field in line.split()]
        found = next(csv.reader([line], delimiter=self.delimiter), [])
        return [field.strip() for field in found]

    def rows(self, piece, places):
        """Return the rows in lines of a piece, which lie at consecutive ``places`` of it; raise
        ``Wrong`` for the first that is none.
        """
        if self.is_compiled and self.work.kind == "f":
            found = self._compiled(piece, places)
        else:
            found = self.parse(lines_of(piece[places[0, 0] : places[-1, 1]]))
        if self.gone_numbers:
            found[np.isin(found, self.gone_numbers)] = np.nan
        return found

    def _compiled(self, piece, places):
        """The rows by kernels, those of odd lines by ``parse``."""
        from ...kernels import decimals

        numbers = list(range(self.width) if self.numbers is None else self.numbers)
        targets = np.full(self.width, -1)
        targets[numbers] = np.arange(len(numbers))
        data, rows = np.frombuffer(piece, np.uint8), np.empty((len(places), len(numbers)))
        mark = decimals.BLANKS if self.delimiter is None else ord(self.delimiter)
        odd = np.flatnonzero(decimals.parse(data, places, mark, targets, rows))
        if len(odd):
            text = b"\n".join(piece[begin:end] for begin, end in places[odd].tolist())
            try:
                rows[odd] = self.parse(lines_of(text))
            except Wrong as wrong:
                wrong.number = int(odd[wrong.number])
                raise
        return rows

    def parse(self, lines):
        """Return the rows of lines as an array; raise ``Wrong`` for the first one that has none."""
        try:
            return self._load(lines)
        except (ValueError, Warning):
            text = "\n".join(lines).encode("latin-1")
            lines = self._gone.sub(b"nan", text).decode("latin-1").split("\n")
        try:
            return self._load(lines)
        except (ValueError, Warning):
            raise self._wrong(lines) from None

    def _load(self, lines, numbers=None):
        if self.numbers is not None and numbers is None and self._ragged(lines) is not None:
            raise ValueError("of other lengths")
        numbers = self.numbers if numbers is None else numbers
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = np.loadtxt(
                lines,
                self.work,
                comments=None,
                delimiter=self.delimiter,
                quotechar='"',
                usecols=numbers,
                ndmin=2,
            )
        if found.shape != (len(lines), len(numbers) if numbers else self.width):
            raise ValueError("of another shape")
        return found

    def _ragged(self, lines):
        """The number of the first line that has not ``width`` fields, or None."""
        mark = self.delimiter
        for number, line in enumerate(lines):
            count = len(line.split()) if mark is None else line.count(mark) + 1
            if count != self.width and len(self.fields(line)) != self.width:
                return number
        return None

    def _wrong(self, lines):
        """What is wrong with lines that cannot be parsed."""
        first, last = 0, len(lines)
        while last - first > 1:
            middle = (first + last) // 2
            if self._fails(lines[first:middle]):
                last = middle
            else:
                first = middle
        line = lines[first]
        fields = self.fields(line)
        if len(fields) != self.width:
            return Wrong(first, fields)
        for column in range(self.width) if self.numbers is None else self.numbers:
            if self._fails([line], (column,)):
                return Wrong(first, fields, column)
        return Wrong(first, fields)

    def _fails(self, lines, numbers=None):
        try:
            self._load(lines, numbers)
        except (ValueError, Warning):
            return True
        return False


def places_of(piece):
    """Where the lines of a piece of text (bytes) begin and end that are not empty: (rows, 2)."""
    data = np.frombuffer(piece, np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    if not piece.endswith(b"\n"):
        ends = np.append(ends, len(data))
    begins = np.append(0, ends[:-1] + 1)
    found = np.column_stack([begins, ends - (data[ends - 1] == RETURN)])
    return found[found[:, 0] < found[:, 1]]


def lines_of(piece):
    """The lines (str) of a piece of text (bytes) that are not empty; bytes are characters."""
    text = piece.decode("latin-1").replace("\r\n", "\n").removesuffix("\r")
    return [line for line in text.split("\n") if line]


def is_number(word):
    """Whether a word is one."""
    try:
        float(word)
    except ValueError:
        return False
    return True
