"""Σ of sampled rows: for start vectors, and for correction equations."""

from dataclasses import replace

from ..methods.corrections import Corrections
from ..methods.warm_start import sampled_rows, warm_start
from ..operators.cost import MATRIX
from ..operators.registry import OPERATORS


def planned_sample(context, plan):
    """Return the plan with the sample that a run was stopped with, if it goes on from there, and
    {attribute: value} that results say of it.
    """
    if not plan.corrections:
        if context.config.corrections == "on":
            context.say(f"corrections: none, since {_why_none(context.config, plan)}")
        return plan, {"corrections": ""}
    before = context.start and context.start.attributes.get("sample_rows")
    plan = replace(plan, sample_rows=int(before or plan.sample_rows))
    return plan, {"corrections": plan.corrections, "sample_rows": plan.sample_rows}


def _why_none(config, plan):
    """Why a plan has no corrections though they were asked for."""
    if config.extend:
        return f"a sample knows nothing of the components of {config.extend}, which are kept"
    if config.update:
        return f"no sample can be drawn of the rows of {config.update}, which are not read"
    if OPERATORS[plan.operator].samples:
        return "the rows are too few for a sample, or the memory is"
    return f"{plan.operator} needs no sample"


def corrections_of(context, operator):
    """Return the ``Corrections`` on the sample that the plan says. Collective."""
    plan = context.plan
    sample = _sample_of(context, operator, plan.sample_rows)
    if plan.corrections == MATRIX:
        sample = sample.as_matrix()
    return Corrections(sample, context.exchange, context.panel, plan.directions or None)


def warmed(context, method, operator, vectors):
    """Return better start vectors (own, d) from the sample of the method's corrections, or from one
    of its own; None if that does not pay. Collective.
    """
    if not hasattr(operator, "sampled"):
        return None
    corrections = getattr(method, "corrections", None)
    sample = corrections.sample if corrections else _sample_of(context, operator)
    return None if sample is None else warm_start(method, sample, vectors)


def _sample_of(context, operator, wanted=None):
    """Return Σ of ``wanted`` sampled rows as an operator, or of as many as a warm start is worth;
    None if that does not pay. Collective.

    An operator that leaves rows in the files takes those it has sampled for its shift.
    """
    source, exchange = context.data, context.exchange
    numbers = sampled_rows(source.n, context.panel, context.config.seed, wanted)
    if not len(numbers):
        return None
    first, last = source.blocks.shard(exchange.grid.shards, exchange.shard)
    low, high = source.blocks.edges[[first, last]]
    mine = numbers[(low <= numbers) & (numbers < high)] - low
    return operator.sampled(mine, len(numbers) / source.n)
