"""Files that are kept from run to run where nobody but this user writes.

What others could have written is not read: a process does what machine code says.

What has not been used for long is removed when something is written: machine code of versions and
processors that are not here any more.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

SIZE = hashlib.sha256().digest_size
DAY = 24 * 60 * 60  # seconds
KEPT = 90 * DAY  # since the last use, which files' times tell to a day


def folder():
    """Where they are kept."""
    numba = os.environ.get("NUMBA_CACHE_DIR")
    if numba:
        return Path(numba).absolute() / "hpcpca"
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache).absolute() / "hpcpca" / "kernels"


def _is_ours(state):
    """Whether a file or folder is this user's or root's, and nobody else can write to it."""
    return state.st_uid in (os.getuid(), 0) and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _open_to_others(place):
    """The first folder on the way to ``place``, or that itself, where others could put something
    of theirs in its stead, or None.

    In folders such as /tmp (sticky) they cannot; and links have no modes.
    """
    real = Path(os.path.realpath(place))
    for path in sorted({place, *place.parents, real, *real.parents}):
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue
        is_safe = stat.S_ISLNK(state.st_mode) or (state.st_mode & stat.S_ISVTX and path != real)
        if not (_is_ours(state) or (is_safe and state.st_uid in (os.getuid(), 0))):
            return path
    return None


def trouble():
    """Why nothing can be kept from run to run, and what to do about it, or None."""
    place = folder()
    try:
        found = _open_to_others(place)
        if found is not None:
            return f"{found} is not yours alone (chmod go-w, or set NUMBA_CACHE_DIR to another)"
        above = next(path for path in (place, *place.parents) if path.exists())
        if os.access(above, os.W_OK):
            return None
    except OSError:
        above = place
    return f"{above} cannot be written to (set NUMBA_CACHE_DIR to a folder of yours)"


def make(place):
    """Make a folder, and those above it that are missing, for this user alone."""
    for path in reversed((place, *place.parents)):
        if not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)


def read(name):
    """The contents of a file, or None if it is not there, not whole or not to be trusted."""
    place = folder()
    try:
        if _open_to_others(place):
            return None
        with open(place / name, "rb", opener=_opened) as file:
            state = os.fstat(file.fileno())
            kept = file.read() if _is_ours(state) else b""
            if time.time() - state.st_mtime > DAY:
                _touch(file)
    except OSError:
        return None
    digest, kept = kept[:SIZE], kept[SIZE:]
    return kept if hashlib.sha256(kept).digest() == digest else None


def _touch(file):
    """Say that a file was used; it need not be ours to change."""
    with contextlib.suppress(OSError):
        os.utime(file.fileno())


def _opened(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW)


def write(name, contents):
    """Keep a file, unless there is ``trouble``."""
    place = folder()
    try:
        if _open_to_others(place):
            return
        make(place)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            made = Path(scratch, name)
            made.write_bytes(hashlib.sha256(contents).digest() + contents)
            made.chmod(0o600)
            made.replace(place / name)
        _clean(place)
    except OSError:
        return


def _clean(place):
    """Remove what has not been used for long, and what writers that were killed have left. Others
    may do so at the same time; who reads such a file meanwhile has all of it, or none.
    """
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime < KEPT:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
