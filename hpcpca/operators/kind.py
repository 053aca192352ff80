"""What an operator of rows is to the rest: how it is loaded, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """``load(resources, is_double, plan, resumed)`` → the operator, collectively; ``cost(job)`` →
    its Plan.

    ``resumed`` is what a run that was stopped knew. Of those that ``is_offered`` users, and auto,
    choose.
    """

    load: Callable
    cost: Callable
    is_offered: bool = True


OPERATORS: dict[str, Kind] = {}


def register(name, load, cost, is_offered=True):
    """Let ``--operator name`` be a way to hold an operator. The last line of its module."""
    OPERATORS[name] = Kind(load, cost, is_offered)
