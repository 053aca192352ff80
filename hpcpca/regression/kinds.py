"""The ways to hold S: a line for each."""

from collections.abc import Callable
from dataclasses import dataclass

from ..operators import kind
from . import by_rows, fitted, in_memory, streaming


@dataclass(frozen=True)
class Kind(kind.Kind):
    """``load(resources, settings, plan, resumed)`` → the operator, collectively.

    ``lacks(settings)`` says in words what it cannot do of what is asked for, or None.
    """

    lacks: Callable = lambda settings: None


KINDS = {
    "gram": Kind(fitted.load, fitted.cost),
    "in-memory": Kind(in_memory.load, in_memory.cost, lacks=by_rows.lacks),
    "streaming": Kind(streaming.load, streaming.cost, lacks=by_rows.lacks),
}


def kinds_for(settings):
    """Those that can do what ``settings`` ask for."""
    return {name: each for name, each in KINDS.items() if each.lacks(settings) is None}
