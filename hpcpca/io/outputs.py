"""Places that are written to: looked at before anything is done, by every command alike; and files written whole or not at all.

All of it is for one rank to call.
"""

import os
import stat
from contextlib import contextmanager, suppress

from ..errors import DataError, UsageError, describe
from .formats import CHECKPOINT
from .hdf5 import check_room, sync
from .paths import temporary
from .result import format_of, is_foreign

SPECIAL = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
FOR_LOGS = (stat.S_IFIFO, stat.S_IFCHR)  # what a log may also go to, such as /dev/stderr
NEVER = None  # as ``overwrite``: the command replaces nothing


def check_output(path, option="-o", overwrite=False, read=None, is_foreign=is_foreign, what="file of hpcpca"):
    """Raise DataError or UsageError unless a file may be written to ``path``: its place is one for files, it is none of those
    ``read`` {path: what it is}, and what is there is ours, to be replaced with ``overwrite`` only.
    """
    check_place(path, option)
    check_apart(path, option, read or {})
    check_replaced(path, option, overwrite, is_foreign, what)


def check_place(path, option="-o", is_log=False):
    """Raise unless there is a regular file at ``path``, or none and a folder where it can be written."""
    if not path.strip():
        raise UsageError(f"{option} '': name a file")
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        kind = None
    except OSError as error:
        raise DataError(f"{option} {path} cannot be written: {error.strerror}; name another file") from None
    if is_log and kind in FOR_LOGS:
        return
    if kind in SPECIAL:
        raise DataError(f"{path} is {SPECIAL[kind]}; name a file with {option}")
    folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
    if not os.path.isdir(folder):
        raise DataError(f"folder {folder} of {path} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise DataError(f"folder {folder} is not writable; choose another with {option}")


def check_apart(path, option, read):
    """Raise UsageError if ``path`` is one of the files ``read`` {path: what it is}."""
    real = os.path.realpath(path)
    for name, what in read.items():
        if os.path.realpath(name) == real:
            raise UsageError(f"{option} {path} would overwrite {what}; name another file")


def check_replaced(path, option="-o", overwrite=False, is_foreign=is_foreign, what="file of hpcpca"):
    """Raise DataError if there is a file at ``path`` that is not to be replaced: nobody has asked to lose it."""
    if not os.path.exists(path):
        return
    if overwrite is NEVER:
        raise DataError(f"{option} {path} exists; name another place with {option}, or remove it first")
    try:
        is_other = is_foreign(path)
    except OSError as error:
        raise DataError(f"{option} {path} exists and cannot be opened: {error.strerror}; name another file") from None
    if is_other:
        raise DataError(f"{option} {path} exists and is no {what}, --overwrite will not replace it; name another file")
    if not overwrite:
        raise DataError(f"{option} {path} exists; name another file, or give --overwrite")


def check_checkpoint(path):
    """Raise DataError if something else than a checkpoint is where a run is to keep its checkpoints: it would be lost when the run ends."""
    for name in (path, path + ".1"):
        if not os.path.exists(name):
            continue
        check_place(name, "--checkpoint")
        check_replaced(name, "--checkpoint", overwrite=True)
        try:
            kind = format_of(name)
        except DataError:
            continue  # empty or damaged
        if kind != CHECKPOINT:
            raise DataError(f"--checkpoint {name} exists and is no checkpoint ({kind}); name another file")


@contextmanager
def whole(path, remedy="make room, or name another place with -o", count=0):
    """Yield the path of a file of ``count`` bytes or so that gets the name ``path`` when it is complete and on disk.

    Raises DataError where it cannot be written, and then ``path`` is as it was.
    """
    real = os.path.realpath(path)  # what a symlink leads to, not the link
    part = temporary(real)
    try:
        if count:
            check_room(part, count)
        yield part
        sync(part)
        os.replace(part, real)
        sync(os.path.dirname(real))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {describe(error)}; {remedy}") from error
    finally:
        with suppress(OSError):
            os.remove(part)


def write_text(path, text, remedy="name another place"):
    """Write a text file, whole or not at all; raise DataError."""
    coded = text.encode(errors="surrogateescape")  # names of files that are no text
    with whole(path, remedy, len(coded)) as part, open(part, "wb") as file:
        file.write(coded)
