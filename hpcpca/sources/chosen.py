"""Some of the rows of a file, and which rows or columns an option names."""

import os
import re

import numpy as np

from ..errors import DataError, UsageError
from ..files.paths import split_dataset
from .array import read_array
from .block import SparseBlock, joined
from .held import ARRAYS

GAP = 64  # rows between two that are wanted, which are read with them
SPAN_BYTES = 8 << 20  # read at a time where rows are picked out


class ChosenRows:
    """Rows ``numbers`` (r), in rising order, of the open rows ``whole``."""

    def __init__(self, whole, numbers):
        self._whole, self._numbers = whole, numbers
        self.shape = len(numbers), whole.shape[1]
        self.chunk_rows = 1

    def __getattr__(self, name):
        return getattr(self._whole, name)

    def _runs(self, start, stop):
        """Yield (first, last, where they go, which of them are wanted) of rows to be read."""
        numbers = self._numbers[start:stop]
        most = max(1, SPAN_BYTES // max(1, self.shape[1] * self._whole.dtype.itemsize))
        done = 0
        while done < len(numbers):
            near = np.diff(numbers[done:]) <= GAP
            size = 1 + (len(near) if near.all() else int(np.argmin(near)))
            first = int(numbers[done])
            size = min(size, int(np.searchsorted(numbers[done : done + size], first + most)))
            picked = numbers[done : done + size] - first
            yield first, first + int(picked[-1]) + 1, slice(done, done + size), picked
            done += size

    def read(self, start, stop, out):
        """As of ``OpenRows``."""
        for first, last, place, picked in self._runs(start, stop):
            if len(picked) == last - first:
                self._whole.read(first, last, out[place])
            else:
                rows = np.empty((last - first, self.shape[1]), out.dtype)
                self._whole.read(first, last, rows)
                out[place] = rows[picked]

    def stored_in(self, start, stop):
        """As of ``OpenRows``."""
        found = 0
        for first, last, _, picked in self._runs(start, stop):
            found += int(np.diff(self._whole.ends_in(first, last))[picked].sum())
        return found

    def read_stored(self, start, stop):
        """As of ``OpenRows``."""
        found = []
        for first, last, _, picked in self._runs(start, stop):
            is_wanted = np.zeros(last - first, bool)
            is_wanted[picked] = True
            block = SparseBlock(*self._whole.read_stored(first, last), first)
            found.append(block.only(is_wanted))
        if not found:
            return self._whole.read_stored(0, 0)
        whole = joined(found)
        return whole.values, whole.indices, whole.ends

    def forget(self, start, stop):
        """As of ``OpenRows``."""
        if start < stop:
            self._whole.forget(int(self._numbers[start]), int(self._numbers[stop - 1]) + 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._whole.close()


def chosen_numbers(text, count, option, what):
    """Return the numbers below ``count`` that an ``option`` names: a range, numbers, or a dataset
    with numbers or a mask; raise UsageError or DataError. ``what`` are they, in a word.
    """
    words = text.split(",")
    if all(re.fullmatch(r"-?\d+|\d*:\d*", word) for word in words):
        found = np.concatenate([_range(word, count) for word in words])
    else:
        found = _of_file(text, count, option, what)
    if not found.size:
        raise UsageError(f"{option} {text}: these are no {what}s of {count}; name some")
    if found.min() < 0 or found.max() >= count:
        bad = int(found[(found < 0) | (found >= count)][0])
        raise UsageError(
            f"{option} {text}: there is no {what} {bad}; they go from 0 to {count - 1}"
        )
    return found


def _range(word, count):
    """The numbers that "7" or "3:20" stand for; those of an open range end with ``count``."""
    first, is_range, last = word.partition(":")
    if not is_range:
        return np.array([int(first)])
    return np.arange(int(first or 0), int(last or count))


def _of_file(text, count, option, what):
    """Those that the numbers, or the mask, in a dataset name; raise DataError."""
    if text not in ARRAYS and not os.path.exists(split_dataset(text)[0]):
        raise UsageError(
            f"{option} {text}: write numbers and ranges, such as 3,7,10:20, or FILE:dataset with"
            f" numbers, or with a mask, of {what}s; there is no such file"
        )
    found = read_array(*split_dataset(text), dimensions=1)
    if found.ndim != 1:
        raise DataError(f"{option} {text} has shape {found.shape}; a list, or a mask, is needed")
    if found.dtype == np.bool_:
        if found.shape != (count,):
            raise DataError(
                f"{option} {text}: a mask of {found.size}, and there are {count} {what}s"
            )
        return np.flatnonzero(found)
    if found.dtype.kind not in "iu":
        raise DataError(
            f"{option} {text} holds {found.dtype}; numbers of {what}s, or a mask, are needed"
        )
    return found.astype(np.int64)
