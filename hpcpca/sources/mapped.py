"""Rows of a file used where they lie, in the page cache of the system: all ranks of a node share
its pages, and what does not fit is fetched again.
"""

import ctypes
import errno
import mmap
import os
import weakref

import numpy as np

from ..errors import DataError
from .bus_errors import LIBC, PROT_READ, guard, release
from .held import ARRAYS, HeldInPlace

WILL_NEED, FORGET, POPULATE = 3, 4, 22  # advice of Linux; the last one since 5.14
PAGE = mmap.PAGESIZE
AGAIN = "start again when nobody writes to it (no result was written)"
MAP_SHARED, FAILED = 1, ctypes.c_void_p(-1).value
LIBC.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
LIBC.munmap.argtypes = ctypes.c_void_p, ctypes.c_size_t


def _mapped(file, size):
    """A map of an open file: a buffer of bytes that may be read. Unlike Python's own it holds no
    file descriptor, of which a process may have some hundreds.
    """
    address = LIBC.mmap(None, size, PROT_READ, MAP_SHARED, file.fileno(), 0)
    if address == FAILED:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    held = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(held, LIBC.munmap, address, size).atexit = False
    return held


class MappedRows:
    """The rows of a ``Part`` that lies in ``runs``: views of a map of its file."""

    def __init__(self, part):
        """Raise DataError if the file cannot be mapped, or has another size by now."""
        self._part, self._starts = part, part.runs[:, 0]
        self._dtype = np.dtype(part.dtype)
        self._row_bytes = part.columns * self._dtype.itemsize
        try:
            with open(part.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                held = _mapped(file, size)
        except OSError as error:
            raise DataError(
                f"{part.path} cannot be mapped: {error}; give --operator streaming"
            ) from None
        if size != part.size:
            raise DataError(f"{part.path} was written to while it was read; {AGAIN}")
        self._bytes, self._lost = np.frombuffer(held, np.uint8), []
        self._bytes.flags.writeable = False
        self._address = self._bytes.ctypes.data
        guard(self._address, self._address + size, self._lost)
        weakref.finalize(self, release, self._address)

    def damage(self):
        """In words, that pages could not be read; None if all could."""
        if not self._lost:
            return None
        return f"{self._part.path} cannot be read at byte {self._lost[0] - self._address}"

    def cuts(self, start, stop):
        """Yield (start, stop) of rows start..stop−1 in pieces that lie in one run each."""
        while start < stop:
            end = min(stop, int(self._run(start)[1]))
            yield start, end
            start = end

    def _run(self, row):
        return self._part.runs[np.searchsorted(self._starts, row, side="right") - 1]

    def _place(self, start, stop):
        """(Offset, bytes) of rows start..stop−1; None if they do not lie in one run."""
        first, end, offset = self._run(start).tolist()
        at, count = offset + (start - first) * self._row_bytes, (stop - start) * self._row_bytes
        return (at, count) if stop <= end else None

    def rows(self, start, stop):
        """Rows start..stop−1: a view (r, d) that cannot be written to; None if they do not lie in
        one run.
        """
        place = self._place(start, stop)
        if place is None:
            return None
        at, count = place
        return self._bytes[at : at + count].view(self._dtype).reshape(-1, self._part.columns)

    def fetch(self, start, stop):
        """Have the pages of these rows in memory, and known to this process, as quickly as the
        disk gives them. Other threads go on meanwhile.
        """
        self._advise(start, stop, WILL_NEED)
        if self._advise(start, stop, POPULATE) == errno.EINVAL:  # an older system
            self._touched(start, stop)

    def _touched(self, start, stop):
        return sum(int(self._bytes[a : a + n : PAGE].sum()) for a, n in self._places(start, stop))

    def drop(self, start, stop):
        """Take these rows out of this process's memory; the system may keep them in its cache."""
        self._advise(start, stop, FORGET)

    def forget(self, start, stop):
        """Take these rows out of the system's cache too."""
        self.drop(start, stop)
        with open(self._part.path, "rb") as file:
            for at, count in self._places(start, stop):
                os.posix_fadvise(file.fileno(), at, count, os.POSIX_FADV_DONTNEED)

    def _places(self, start, stop):
        return (self._place(*each) for each in self.cuts(start, stop))

    def _advise(self, start, stop, advice):
        """0, or the number of the error by which the system would not take the advice."""
        for at, count in self._places(start, stop):
            begin = at // PAGE * PAGE
            if LIBC.madvise(self._address + begin, at + count - begin, advice):
                return ctypes.get_errno()
        return 0


class Maps:
    """The maps of the files of a set, each made when it is needed first.

    Unless pages ``stay``, they are fetched before every use and dropped behind it; ``forgets`` says
    that the system shall not keep them either.
    """

    def __init__(self, forgets=False):
        self.stay, self._forgets = not forgets, forgets
        self._of, self._fetched = {}, set()

    def of(self, part):
        """The ``MappedRows`` of a part, or its ``HeldInPlace``; raise DataError."""
        name = part.path, part.dataset
        if name not in self._of:
            is_held = part.path in ARRAYS
            made = HeldInPlace(part.path) if is_held else MappedRows(part)
            self._of.setdefault(name, made)  # by now another thread may have made one
        return self._of[name]

    def fetch(self, part, start, stop):
        """As of ``MappedRows``, unless that was done before and pages stay."""
        place = part.path, part.dataset, start, stop
        if place not in self._fetched:
            self.of(part).fetch(start, stop)
            if self.stay:
                self._fetched.add(place)

    def let_go(self, part, start, stop):
        """Let the system have the memory of rows, unless pages stay."""
        if not self.stay:
            (self.of(part).forget if self._forgets else self.of(part).drop)(start, stop)

    def damage(self):
        """As of ``MappedRows``, of any file."""
        return next(filter(None, (each.damage() for each in self._of.values())), None)
