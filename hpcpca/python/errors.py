"""Errors as Python programs expect them: those of hpcpca, with the same one line, that are
ValueError, OSError and so on too.
"""

import re
from contextlib import contextmanager
from dataclasses import fields

from ..errors import DataError, HpcpcaError, NotAchieved, PlatformError, UsageError
from ..options import flags_of, is_option


class InvalidRequest(UsageError, ValueError):
    """What is asked for contradicts itself, the shape of the data or the memory given."""


class InvalidData(DataError, ValueError):
    """Data are missing, unreadable, or of the wrong form."""


class FileMissing(DataError, FileNotFoundError):
    """There is no such file."""

    def __str__(self):
        return str(self.args[0])


class Unsupported(PlatformError, RuntimeError):
    """The environment is not set up: no MPI, a package that is not installed, no memory."""


class NothingFound(NotAchieved, RuntimeError):
    """What was asked for does not hold in the end."""


class NotConverged(UserWarning):
    """A result is there, but not as exact as was asked for."""


TWINS = {
    UsageError: InvalidRequest,
    DataError: InvalidData,
    PlatformError: Unsupported,
    NotAchieved: NothingFound,
}


@contextmanager
def python_errors(names=()):
    """Run the body; its errors become the Python ones. ``names`` are (an option as it is typed,
    the name that it has in Python), longest first.
    """
    try:
        yield
    except HpcpcaError as error:
        twin = TWINS.get(type(error))
        if twin is None:
            raise
        raise twin(in_python(str(error), names)) from None


def in_python(message, names):
    """Return a message with options by their names in Python."""
    for typed, name in names:
        message = re.sub(rf"(?<![\w./-]){re.escape(typed)}(?![\w-])", name, message)
    return re.sub(r"\bis nan\b", "is NaN", message)


def names_of(settings, renamed=()):
    """Return (an option as it is typed, its name in Python) of all that ``settings`` have;
    ``renamed`` is {field: its name}, of those that have another one there.
    """
    found, renamed = {}, dict(renamed)
    for each in filter(is_option, fields(settings)):
        for flag in flags_of(each):
            for typed in flag.split("/"):
                found[typed] = renamed.get(each.name, each.name)
    return tuple(sorted(found.items(), key=lambda item: -len(item[0])))
