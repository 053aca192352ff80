"""Rows as a ``Reading`` has them, from rows as files have them."""

from contextlib import contextmanager

import numpy as np

from .chosen import chosen_numbers
from .completion import Model
from .learned import Learned

SLICE_BYTES = 8 << 20  # of a file's rows at a time


class View:
    """What becomes of the rows of files with ``width`` columns of ``dtype``.

    ``d`` is the number of columns that are taken, ``numbers`` (d) which ones (None: all), ``dtype``
    that of their values. What is ``Learned`` of them later may take away columns, put ``fill``
    (d) where values are missing, and multiply by ``factors`` (d). Values that are changed are
    float32 if those of the files are as short, until ``be_exact``.
    """

    def __init__(self, reading, width, dtype, is_packed=False):
        self.reading, self.width = reading, width
        self.numbers = (
            None
            if reading.columns is None
            else chosen_numbers(reading.columns, width, "--columns", "column")
        )
        self.d = width if self.numbers is None else len(self.numbers)
        self.raw, self.dtype, self.fill, self.factors = dtype, dtype, None, None
        self.model, self._learned = None, Learned()
        self._is_computed = is_packed or reading.log1p or reading.normalize_rows is not None
        self.changes_values = is_packed or reading.changes_values
        if self.changes_values:
            is_short = dtype.itemsize <= 2 or dtype == np.float32
            self.dtype = np.dtype(np.float32 if is_short else np.float64)

    @property
    def is_rounded(self):
        """Whether values that are changed are rounded to float32."""
        return self.changes_values and self.dtype == np.float32

    def be_exact(self):
        """Have values that are changed in float64 from now on."""
        if self.is_rounded:
            self.dtype = np.dtype(np.float64)
            self.learn(self._learned)

    @contextmanager
    def exact(self):
        """Context in which values that are computed are float64."""
        held = self.dtype
        if self._is_computed:
            self.dtype = np.dtype(np.float64)
        try:
            yield
        finally:
            self.dtype = held

    def learn(self, learned):
        """Read as it was ``learned`` from now on."""
        self._learned = learned
        if learned.columns is not None:
            self.numbers, self.d = learned.columns, len(learned.columns)
        if learned.fill_components is not None:
            self.model = Model(learned.fill, learned.fill_components)
        elif learned.fill is not None:
            self.fill = learned.fill.astype(self.dtype)
        if learned.scale is not None:
            self.factors = learned.scale.astype(self.dtype)

    def column(self, number):
        """The number that column ``number`` has in the files."""
        return number if self.numbers is None else int(self.numbers[number])

    def read(self, opened, start, stop, out, meaning):
        """Put rows start..stop−1 of open files into ``out`` (stop − start, d); raise DataError.

        Values of a ``Meaning`` are unpacked, and if they are changed, missing ones become NaN.
        """
        if not self.changes_values and self.numbers is None:
            opened.read(start, stop, out)
            return
        step = max(1, SLICE_BYTES // max(1, self.width * self.raw.itemsize))
        step = max(step // opened.chunk_rows * opened.chunk_rows, min(step, opened.chunk_rows))
        raw = np.empty((min(step, stop - start), self.width), self.raw)
        for first in range(start, stop, step):
            rows = raw[: min(step, stop - first)]
            opened.read(first, first + len(rows), rows)
            if meaning.packing:
                rows = meaning.packing.raw(rows)
            self._turn(rows, out[first - start :][: len(rows)], meaning)

    @property
    def is_one_to_one(self):
        """Whether no column is taken twice."""
        return self.numbers is None or len(np.unique(self.numbers)) == self.d

    def read_stored(self, opened, start, stop):
        """Return (values, indices, ends) of rows start..stop−1 of an open sparse matrix, as
        ``read`` would have them; raise DataError. What is 0 stays so.
        """
        reading, count = self.reading, stop - start
        raw, indices, ends = opened.read_stored(start, stop)
        rows, values = np.repeat(np.arange(count), np.diff(ends)), raw.astype(self.dtype)
        if reading.normalize_rows is not None:
            known = np.where(np.isnan(raw), 0, raw) if raw.dtype.kind == "f" else raw
            sums = np.bincount(rows, known, count)
            values *= _factors(reading.normalize_rows, sums)[rows].astype(values.dtype)
        if self.numbers is not None:
            places = np.full(self.width, -1, np.int64)
            places[self.numbers] = np.arange(self.d)
            is_taken = places[indices] >= 0
            rows, indices, values = rows[is_taken], places[indices[is_taken]], values[is_taken]
            ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
        if reading.log1p:
            with np.errstate(invalid="ignore", divide="ignore"):
                np.log1p(values, out=values)
        if self.fill is not None:
            values = np.where(np.isnan(values), self.fill[indices], values)
        if self.factors is not None:
            values *= self.factors[indices]
        return values, indices, ends

    def _turn(self, rows, out, meaning):
        reading, missing, packing = self.reading, meaning.missing, meaning.packing
        if self.numbers is None:
            out[...] = rows
        elif self.dtype == self.raw:
            np.take(rows, self.numbers, axis=1, out=out)
        else:
            out[...] = rows[:, self.numbers]
        if packing:
            packing.unpack(out)
        if missing and self.changes_values:
            is_missing = missing.among(rows)
            out[is_missing if self.numbers is None else is_missing[:, self.numbers]] = np.nan
        else:
            is_missing = None
        if reading.normalize_rows is not None:
            sums = _sums(rows, is_missing, packing)
            out *= _factors(reading.normalize_rows, sums)[:, None].astype(out.dtype)
        if reading.log1p:
            with np.errstate(invalid="ignore", divide="ignore"):
                np.log1p(out, out=out)
        if self.fill is not None:
            np.copyto(out, self.fill, where=np.isnan(out))
        if self.factors is not None:
            out *= self.factors
        if self.model is not None:
            self.model.complete(out)


def _factors(total, sums):
    """What rows are multiplied by so that their ``sums`` become ``total``."""
    with np.errstate(divide="ignore"):
        return np.where(sums == 0, 1.0, total / sums)


def _sums(rows, is_missing, packing):
    """Sums of rows (r) over the values that are there: neither NaN nor ``is_missing`` (None: none
    is).
    """
    there = np.ones(rows.shape, bool) if is_missing is None else ~is_missing
    if rows.dtype.kind == "f":
        there &= ~np.isnan(rows)
    sums = rows.sum(axis=1, dtype=np.float64, where=there)
    return packing.scale * sums + packing.offset * there.sum(axis=1) if packing else sums
