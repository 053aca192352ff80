"""How the symmetric operator of a run can be held: what loads each, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass

from . import given, gram_build, in_memory, minibatch, streaming


@dataclass(frozen=True)
class Operator:
    """``load(resources, is_double, plan, begun)`` → the operator, collectively; ``cost(job)`` →
    its Plan.

    ``begun`` is what a run that was stopped knew. Of those that ``is_offered`` users, and auto,
    choose.
    """

    load: Callable
    cost: Callable
    is_offered: bool = True


OPERATORS = {
    "gram": Operator(gram_build.load, gram_build.cost),
    "in-memory": Operator(in_memory.load, in_memory.cost),
    "streaming": Operator(streaming.load, streaming.cost),
    "mini-batch": Operator(streaming.load, minibatch.cost, is_offered=False),
    "covariance": Operator(given.load, gram_build.cost, is_offered=False),
}
OFFERED = tuple(name for name, operator in OPERATORS.items() if operator.is_offered)
