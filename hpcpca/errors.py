"""The errors a user can meet; each says what, value and remedy in one line and carries its exit
code.
"""

import re
import sys

DONE, INTERNAL, USAGE, BAD_INPUT, NOT_ACHIEVED, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 75


class HpcpcaError(Exception):
    """Base of everything that is reported in one line, without a traceback."""

    exit_code = INTERNAL
    is_agreed = False  # whether every rank raises it


class UsageError(HpcpcaError):
    """The request contradicts itself, the data's shape or the memory given."""

    exit_code = USAGE


class DataError(HpcpcaError):
    """A file is missing, unreadable, of the wrong form, or would be overwritten."""

    exit_code = BAD_INPUT


class PlatformError(HpcpcaError):
    """The environment is not set up for the job: wrong MPI, missing filter, no memory."""

    exit_code = ENVIRONMENT


class NotAchieved(HpcpcaError):
    """What was asked for does not hold in the end."""

    exit_code = NOT_ACHIEVED


class Interrupted(HpcpcaError):
    """The run was asked to stop, and all ranks agreed to; ``unfinished`` is what there is of the
    pass that was under way, or None.
    """

    exit_code = INTERRUPTED
    is_agreed = True

    def __init__(self, reason, unfinished=None):
        super().__init__(reason)
        self.unfinished = unfinished


BY_CODE = {kind.exit_code: kind for kind in (HpcpcaError, UsageError, DataError, PlatformError)}


def describe(error):
    """One line for any exception: its text, or its class name where it has none.

    Of the long ones of HDF5, and of the system's, only what is said in words.
    """
    text = " ".join(str(error).split())
    system = re.search(r"errno = \d+, error message = '([^']+)'", text)
    return system[1] if system else re.sub(r"^\[Errno \d+\] ", "", text) or type(error).__name__


def others_come():
    """Whether other ranks get to this point too: not while an error is going up that only this one
    may have.
    """
    error = sys.exc_info()[1]
    return error is None or getattr(error, "is_agreed", False)


def on_all_ranks(error):
    """Mark an error that every rank raises alike, and return it: one of them will say so, nobody
    has to be stopped.
    """
    error.is_agreed = True
    return error


def did_you_mean(word, known):
    """Return "; did you mean x, or y?" for a ``word`` that is none of the ``known`` ones, or ""."""
    from difflib import get_close_matches

    named = {name.lower(): name for name in known}
    near = [named[name] for name in get_close_matches(word.lower(), named)]
    return f"; did you mean {', or '.join(near)}?" if near else ""
