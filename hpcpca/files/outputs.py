"""Places to write to, looked at by every command alike, beforehand; files written whole.

All of it is for one rank to call.
"""

import os
import stat
from contextlib import contextmanager, suppress

from ..errors import DataError, UsageError, describe
from .formats import CHECKPOINT
from .hdf5 import ELSEWHERE, check_room, sync
from .paths import check_writable, is_folder, temporary
from .result import format_of, is_foreign

SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
FOR_LOGS = (stat.S_IFIFO, stat.S_IFCHR)  # what a log may also go to, such as /dev/stderr
NEVER = None  # as ``overwrite``: the command replaces nothing
OURS = "file of hpcpca"


def check_output(path, option, overwrite, read=None, is_foreign=is_foreign, *, what=OURS):
    """Raise unless a file may be written to ``path``: all of the following.

    ``read`` is {path of a file that is read: what it is}.
    """
    check_place(path, option)
    check_apart(path, option, read or {})
    check_replaced(path, option, overwrite, is_foreign, what)


def check_place(path, option="-o", is_log=False):
    """Raise unless a regular file is at ``path``, or none in a folder where one can be written."""
    if not path.strip():
        raise UsageError(f"{option} '': name a file")
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        kind = None
    except OSError as error:
        raise DataError(
            f"{option} {path} cannot be written: {error.strerror.lower()}; name another file"
        ) from None
    if is_log and kind in FOR_LOGS:
        return
    if kind in SPECIAL:
        raise DataError(f"{path} is {SPECIAL[kind]}; name a file with {option}")
    folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
    if not is_folder(folder):
        raise DataError(f"folder {folder} of {path} does not exist; make it first")
    check_writable(folder, option)


def check_apart(path, option, read):
    """Raise UsageError if ``path`` is one of the files ``read`` {path: what it is}."""
    real = os.path.realpath(path)
    for name, what in read.items():
        if os.path.realpath(name) == real:
            raise UsageError(f"{option} {path} would overwrite {what}; name another file")


def check_replaced(path, option, overwrite, is_foreign=is_foreign, what=OURS):
    """Raise DataError if a file is at ``path`` that nobody asked to lose. ``option`` names it, or
    in Python an argument.
    """
    if not os.path.exists(path):
        return
    there, flag = f"{option} {path} exists", "--overwrite"
    if not option.startswith("-"):
        flag = "overwrite=True"
    if overwrite is NEVER:
        raise DataError(f"{there}; name another place with {option}, or remove it first")
    try:
        is_other = is_foreign(path)
    except OSError as error:
        raise DataError(
            f"{there} and cannot be opened: {error.strerror}; name another file"
        ) from None
    if is_other:
        raise DataError(f"{there} and is no {what}, {flag} will not replace it; name another file")
    if not overwrite:
        raise DataError(f"{there}; name another file, or give {flag}")


def check_checkpoint(path):
    """Raise DataError if another file is where a run keeps its checkpoints: it would be lost."""
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
            raise DataError(
                f"--checkpoint {name} exists and is no checkpoint ({kind}); name another file"
            )


@contextmanager
def whole(path, remedy=ELSEWHERE, count=0):
    """Yield where to write a file of about ``count`` bytes, which gets the name ``path`` when it is
    complete and on disk; raise DataError if it cannot be written, and then ``path`` is as it was.
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


def write_text(path, text, remedy=ELSEWHERE):
    """Write a text file, whole or not at all; raise DataError."""
    coded = text.encode(errors="surrogateescape")  # names of files that are no text
    with whole(path, remedy, len(coded)) as part, open(part, "wb") as file:
        file.write(coded)
