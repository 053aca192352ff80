"""A lock on the files that a run writes, which the system releases when its process is gone; and
what the run says of itself there.
"""

import errno
import fcntl
import json
import os
import time

from ..errors import PlatformError

SUFFIX = ".lock"
HOLDER, FIGURES = (
    ("pid", "started", "updated"),
    (
        "round",
        "components",
        "converged",
        "tol",
        "passes",
        "seconds",
    ),
)  # beside the host and the residual
LARGEST = 1e11  # of these, times among them
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Lock:
    """Holds PATH.lock while a run goes on; ``note`` puts figures into it for others to read.

    For one rank to use.
    """

    def __init__(self, path):
        """Take the lock; raise PlatformError where another run has it.

        ``is_held`` is False where the file system has no locks.
        """
        self.path, self.is_held = (
            os.path.realpath(path) + SUFFIX,
            False,
        )  # one lock however a file is named
        self._started = time.time()
        self._descriptor = _open_locked(self.path)
        self.is_held = self._descriptor is not None
        self.note({})

    def note(self, figures):
        """Put figures beside who holds the lock. What cannot be written is left out."""
        if self._descriptor is None:
            return
        who = {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "started": self._started,
            "updated": time.time(),
        }
        text = json.dumps(who | figures).encode()
        try:
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
        except OSError:  # a full disk: the run matters more than what it tells
            pass

    def release(self):
        """Let go and remove the file."""
        if self._descriptor is not None:
            try:
                os.unlink(self.path)
            except OSError:
                pass
            os.close(self._descriptor)
            self._descriptor, self.is_held = None, False


def _open_locked(path):
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError:  # no such folder, not writable: whoever writes there will say so
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
            os.close(descriptor)  # removed by its former holder between open and lock
        except OSError as error:
            os.close(descriptor)
            if error.errno in UNSUPPORTED:
                return None
            raise PlatformError(
                f"{path[: -len(SUFFIX)]} belongs to a run that is going on ({_holder(path)}); "
                "wait for it, stop it, or name another file"
            ) from None


def _holder(path):
    found = read(path)
    if not found:
        return "it has not said where"
    return f"process {found['pid']} on {found['host']}" + (
        f", SLURM job {found['job']}" if found.get("job") else ""
    )


def _real(path):
    return os.path.realpath(os.fspath(path).removesuffix(SUFFIX)) + SUFFIX


def read(path):
    """What the holder of the lock file ``path`` wrote last: dict; {} where there is nothing to
    read.
    """
    try:
        with open(_real(path), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and _is_ours(found) else {}


def _is_ours(found):
    """Whether a dict is of the form that ``note`` writes."""
    numbers = [found.get(name) for name in HOLDER + (FIGURES if "round" in found else ())]
    if found.get("residual") is not None:
        numbers.append(found["residual"])
    return isinstance(found.get("host"), str) and all(
        isinstance(number, (int, float)) and 0 <= number < LARGEST for number in numbers
    )


def is_running(path):
    """Whether some process holds the lock file ``path``; None where that cannot be found out."""
    try:
        descriptor = os.open(_real(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
