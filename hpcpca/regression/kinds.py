"""The ways to hold S: a line for each."""

from collections.abc import Callable
from dataclasses import dataclass

from ..operators import kind
from . import by_rows, dual, fitted, in_memory, streaming


@dataclass(frozen=True)
class Kind(kind.Kind):
    """``load(resources, settings, plan, resumed)`` → the operator, collectively.

    ``lacks(settings)`` says in words what it cannot do of what is asked for, or None; ``suits``
    them says whether auto may choose it.
    """

    lacks: Callable = lambda settings: None
    suits: Callable = lambda settings: True


KINDS = {
    "gram": Kind(fitted.load, fitted.cost),
    "in-memory": Kind(in_memory.load, in_memory.cost, lacks=by_rows.lacks),
    "streaming": Kind(streaming.load, streaming.cost, lacks=by_rows.lacks),
    "dual": Kind(dual.load, dual.cost, lacks=dual.lacks, suits=dual.suits),
}


def kinds_for(settings):
    """Those that ``settings`` ask for, or that can do what they ask for."""
    if settings.operator in KINDS:
        return {settings.operator: KINDS[settings.operator]}
    return {
        name: each
        for name, each in KINDS.items()
        if each.lacks(settings) is None and each.suits(settings)
    }
