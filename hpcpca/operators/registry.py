"""The ways to hold the symmetric operator of a run: a line for each file that registers one."""

from . import (  # noqa: F401 – each registers itself
    given,
    gram_build,
    in_memory,
    mapped,
    minibatch,
    sparse,
    streaming,
)
from .kind import OPERATORS

OFFERED = tuple(name for name, kind in OPERATORS.items() if kind.is_offered)
