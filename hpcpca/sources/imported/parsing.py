"""Numbers in lines of text, many lines at a time."""

import csv
import re
import warnings

import numpy as np

WORDS = ("NA", "N/A", "n/a", "NULL", "null", "None")  # for a missing value; NaN is a number


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
    None all.
    """

    def __init__(self, delimiter, missing, work):
        self.delimiter, self.work = delimiter, np.dtype(work)
        self.width = self.numbers = None
        self._words = [word.encode() for word in (*WORDS, *missing)]
        either = b"|".join(map(re.escape, self._words))
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

    def lines(self, piece):
        """The lines (str) of a piece of text (bytes) that are not empty, with nan for what is
        missing, if that is simple to see.
        """
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n")
        if piece[:1] == b"\n" or b"\n\n" in piece:
            piece = b"\n".join(line for line in piece.split(b"\n") if line)
        piece = piece.removesuffix(b"\n")
        if not piece:
            return []
        if any(word in piece for word in self._words):
            piece = self._gone.sub(b"nan", piece)
        elif self.delimiter is not None:
            piece = self._filled(piece)
        return piece.decode("latin-1").split("\n")

    def _filled(self, piece):
        """The piece with nan for fields of which nothing is there."""
        mark = self.delimiter.encode("latin-1")
        if mark + mark in piece:
            for _ in range(2):  # of three in a row the first two are taken together
                piece = piece.replace(mark + mark, mark + b"nan" + mark)
        if mark + b"\n" in piece or piece.endswith(mark):
            piece = (piece + b"\n").replace(mark + b"\n", mark + b"nan\n")[:-1]
        if b"\n" + mark in piece or piece.startswith(mark):
            piece = (b"\n" + piece).replace(b"\n" + mark, b"\nnan" + mark)[1:]
        return piece

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
