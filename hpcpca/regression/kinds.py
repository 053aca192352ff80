"""The ways to hold S: a line for each."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..operators import kind
from . import by_rows, dual, fitted, in_memory, streaming
from .job import choosing_bytes, predicting_bytes


@dataclass(frozen=True)
class Kind(kind.Kind):
    """``load(resources, settings, plan, resumed)`` → the operator, collectively.

    ``lacks(settings)`` says in words what it cannot do of what is asked for, or None; ``suits``
    them says whether auto may choose it.
    """

    lacks: Callable = lambda settings: None
    suits: Callable = lambda settings: True


def _whole(cost):
    """What a run costs: what holding S does, measuring R², and choosing R before, if it is asked
    for.
    """

    def whole(job):
        plan = cost(job)
        plan = replace(plan, bytes=plan.bytes + predicting_bytes(job))
        if not job.chooses:
            return plan
        return replace(
            plan,
            bytes=max(plan.bytes, choosing_bytes(job)),
            seconds=plan.seconds + fitted.summing_seconds(job),
            reads=plan.reads + 1,
        )

    return whole


KINDS = {
    "gram": Kind(fitted.load, _whole(fitted.cost)),
    "in-memory": Kind(in_memory.load, _whole(in_memory.cost), lacks=by_rows.lacks),
    "streaming": Kind(streaming.load, _whole(streaming.cost), lacks=by_rows.lacks),
    "dual": Kind(dual.load, _whole(dual.cost), lacks=dual.lacks, suits=dual.suits),
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
