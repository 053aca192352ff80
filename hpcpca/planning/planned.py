"""What a problem offers to ``plan``: its runs, before there are any. Nothing here starts MPI."""

import re
from dataclasses import replace
from typing import ClassVar, Protocol

import numpy as np

from ..errors import UsageError
from ..operators.cost import Job, Plan

SHAPE = r"(\d+)[xX×](\d+)"


class Planned(Protocol):
    """A run of a problem with settings ``config``; a problem defines all of this."""

    settings: ClassVar[type]
    options: ClassVar[tuple]  # names of those settings that change what is planned
    output: ClassVar[str]  # usual name of a result

    def __init__(self, config):
        self.config = config

    def sizes(self, dtype, own, tell):
        """Return the sizes of the data, from their files (``own`` are ours) or from words like
        NxD; what is odd goes to ``tell``. Raise UsageError, DataError.

        They have ``types``, those of the values.
        """

    def most(self, sizes) -> int:
        """Return how many eigenvalues may differ from zero; raise if more are asked for."""

    def count(self, most) -> int:
        """Return how many vectors to plan for. (Optional.)"""
        return self.config.components

    def job(self, sizes, panel, machine) -> Job:
        """Return the ``Job`` with ``panel`` vectors on a ``Machine``."""

    def choose(self, job) -> Plan:
        """Return the ``Plan`` of how the operator is held."""

    def notes(self, most) -> tuple:
        """Return lines on what was not known. (Optional.)"""
        return ()


def check_unread(config):
    """Raise UsageError if options say how data are read, and there are none."""
    if asked := config.asked():
        raise UsageError(
            f"{config.data[0]} are no data to read: leave {', '.join(asked)} out, and give the size"
            " that they make"
        )


def shape_of(words, dtype):
    """Return (n, d, dtype) of data that are words like "NxD" only, or None; raise UsageError."""
    match = re.fullmatch(SHAPE, words[0]) if len(words) == 1 else None
    if match is None:
        return None
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise UsageError(f"--dtype {dtype} is no type of numpy; write float32, uint8, …") from None
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise UsageError(f"--dtype {dtype}: real numbers of at most 64 bits are needed")
    n, d = int(match[1]), int(match[2])
    if min(n, d) < 1:
        raise UsageError(f"{words[0]}: at least one row and one column are needed")
    return n, d, kind


def with_places(config, names):
    """Return settings in which a name such as DATA.h5 stands for data that only the size is known
    of, and these names; ``names`` are those of settings.
    """
    values = {name: getattr(config, name) for name in names}
    places = {
        name: (f"{name.upper()}.h5",)
        for name, value in values.items()
        if isinstance(value, tuple) and len(value) == 1 and re.fullmatch(SHAPE, str(value[0]))
    }
    return replace(config, **places), [name for (name,) in places.values()]


def words_of(config, names):
    """Return those options among ``names`` that differ from their defaults, as they are typed."""
    usual, words = type(config)(), []
    for name in names:
        value = getattr(config, name)
        if value == getattr(usual, name):
            continue
        flag = config.typed(name)
        for each in value if isinstance(value, tuple) else (value,):
            words += [flag] if isinstance(value, bool) else [flag, str(each)]
    return words
