"""Where the rows of a file lie, if they lie there as they do in memory: then they can be used in
the system's page cache, and nothing is copied.
"""

import os

import numpy as np

from ..files.damage import RAISED

# on the average, of rows that follow one another in a file: shorter runs are not worth their calls
LEAST_RUN = 256 << 10
# of file systems where others may rewrite what is mapped, or a page at a time is slow
REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
)
MADE = "has rows that are made when they are read"
SAMPLED_ROWS = 4  # of each run at most, compared with what is read


class CannotMap(Exception):
    """Why rows cannot be used where they lie: the end of a sentence that begins with the file."""


def runs_of(opened):
    """Return the runs in which the rows of an open file lie: (r, 3) int64 of first row, row after
    the last, and offset in the file, in order. Raise ``CannotMap``.

    Some rows are compared with what is read.
    """
    kind = file_system(opened.path)
    if kind.startswith(REMOTE):
        raise CannotMap(f"is on a remote file system ({kind})")
    if opened.dtype.kind not in "iuf" or not opened.dtype.isnative:
        raise CannotMap(f"has values of type {opened.dtype.str}")
    if not all(opened.shape):
        return np.zeros((0, 3), np.int64)
    runs = joined(opened.runs(), opened.shape[1] * opened.dtype.itemsize)
    if (runs[:, 2] % opened.dtype.itemsize).any():
        raise CannotMap("has values between the bytes of a word")
    size = opened.shape[0] * opened.shape[1] * opened.dtype.itemsize
    if len(runs) > 1 and size < LEAST_RUN * len(runs):
        raise CannotMap(f"has its rows scattered in {len(runs)} places")
    _compare(opened, runs)
    return runs


def joined(runs, row_bytes):
    """Runs in order, those as one that follow one another in the file too."""
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    ends = runs[:, 2] + (runs[:, 1] - runs[:, 0]) * row_bytes
    begins = np.concatenate([[True], (runs[1:, 2] != ends[:-1])])[: len(runs)]
    first = np.flatnonzero(begins)
    last = np.concatenate([first[1:], [len(runs)]])[: len(first)] - 1
    return np.column_stack([runs[first, 0], runs[last, 1], runs[first, 2]])


def _compare(opened, runs):
    """Raise ``CannotMap`` if rows are not what they are read as."""
    row, chosen = np.empty((1, opened.shape[1]), opened.dtype), runs
    if len(runs) > SAMPLED_ROWS:
        chosen = runs[np.linspace(0, len(runs) - 1, SAMPLED_ROWS).astype(int)]
    with open(opened.path, "rb") as file:
        for start, stop, offset in chosen.tolist():
            for number in {start, stop - 1}:
                opened.read(number, number + 1, row)
                there = os.pread(file.fileno(), row.nbytes, offset + (number - start) * row.nbytes)
                if there != row.tobytes():
                    raise CannotMap("has rows that do not lie as they are read")


def file_system(path):
    """The type of the file system that a path is on, as the system's table of mounts has it; ""
    if that is not known.
    """
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            mounts = [line.split()[1:3] for line in file]
        real = os.path.realpath(path)
    except RAISED:
        return ""
    inside = [
        (len(place), kind)
        for place, kind in mounts
        if f"{real}/".startswith(place.rstrip("/") + "/")
    ]
    return max(inside, default=(0, ""))[1]
