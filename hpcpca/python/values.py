"""Values of parameters in Python, compared with the types that their options declare."""

import os
from typing import get_args

import numpy as np

from ..errors import UsageError
from ..units import parse_size

SHOWN = 60  # letters of a value in a message


def is_array(value):
    """Whether a value has several numbers."""
    several = list | tuple | range
    return isinstance(value, several) or (hasattr(value, "__array__") and np.ndim(value) > 0)


def as_option(kind, name, value, choices=None, **words):
    """Return what a parameter ``name`` was given as an option of type ``kind`` has it, with
    ``choices`` and ``words`` as of ``options.option``; raise UsageError if it takes no such value.

    Numbers of numpy are Python's. A number is taken for text, as it would be typed.
    """
    kinds = get_args(kind) or (kind,)
    if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
        value = value.item()
    if (value is None and type(None) in kinds) or (isinstance(value, bool) and bool in kinds):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (float in kinds or (isinstance(value, int) and int in kinds)):
        if value > 0 or not words.get("size"):
            return value
    elif str in kinds and isinstance(value, str | os.PathLike):
        if int not in kinds or value in _names(words):
            return os.fspath(value)
    elif str in kinds and int not in kinds and is_number:
        return str(value)
    elif words.get("size") and isinstance(value, str):
        return _size(name, value)
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    raise UsageError(f"{name} {shown}: {_wanted(kinds, choices, words)} is needed")


def _names(words):
    """What an option of numbers takes by name."""
    return words.get("or_share") or (("auto",) if words.get("or_auto") else ())


def _wanted(kinds, choices, words):
    """What an option takes, in words."""
    if bool in kinds:
        return "True or False"
    if words.get("size"):
        return "a number of bytes from 1 on, or text such as '2G',"
    numbers = [
        said for kind, said in ((int, "a whole number"), (float, "a number")) if kind in kinds
    ]
    if words.get("or_share"):
        numbers[-1] = "a share below 1"
    if numbers:
        return ", or ".join([", ".join(numbers), *_quoted(_names(words))])
    if choices:
        return f"one of {', '.join(choices)}"
    form = words.get("metavar", "")
    forms = ["an array"] if "FILE:dataset" in form else []
    forms += ["a result"] if "RESULT" in form else []
    return " or ".join([*forms, f"text of the form {form}".removesuffix(" of the form ")])


def _quoted(names):
    return [", ".join(map(repr, names))] if names else []


def _size(name, text):
    try:
        found = parse_size(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
    if found <= 0:
        raise UsageError(f"{name} {text}: more than nothing is needed, such as 2G")
    return found
