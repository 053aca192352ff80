"""What an operator of rows is to the rest: how it is loaded, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """``load(resources, is_double, plan, resumed)`` → the operator, collectively; ``cost(job)`` →
    its Plan.

    ``resumed`` is what a run that was stopped knew. Of those that ``is_offered`` users, and auto,
    choose. ``refusal(job)`` says in words why it is not for such data, or None. ``samples`` says
    how it makes an operator of some of the rows (``sampled``): by copies of what it "holds", by
    what it "reads", or not at all.
    """

    load: Callable
    cost: Callable
    is_offered: bool = True
    refusal: Callable = lambda job: None
    samples: str = ""


OPERATORS: dict[str, Kind] = {}


def register(name, load, cost, **more):
    """Let ``--operator name`` be a way to hold an operator, with ``more`` of what a ``Kind`` says.
    The last line of its module.
    """
    OPERATORS[name] = Kind(load, cost, **more)
