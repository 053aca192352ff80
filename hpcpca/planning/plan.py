"""Chooses an operator: the one asked for, or the quickest of those that fit the memory."""

from dataclasses import replace

from ..errors import UsageError
from ..methods.ritz_exchange import SMALLEST_BASIS
from ..operators.registry import OPERATORS
from ..units import format_seconds, format_size
from .corrected import best_of, corrected, is_worth, told

DEFAULT_BASIS = 16  # panels of history kept unless memory or --basis says otherwise
FEWEST_GUARDS = 8


def panel_width(components, guards, rank_limit, ritz):
    """m = K + guards, never more than there are components.

    The Ritz exchange pads to a multiple of 8 with at least 8 guards.

    Measured to 1e-6, passes with at least 2 against at least 8: Fashion-MNIST K = 30 8 and 7
    (cold), 7 and 6 (warm); 200,000×2,000 K = 20 5 and 4 (warm). The work is the same, the reads and
    rounds are fewer.
    """
    if guards is None:
        guards = 8 * -(-(components + FEWEST_GUARDS) // 8) - components if ritz else 0
    return min(components + guards, rank_limit)


def _vectors_bytes(job, basis):
    """Panels held once per node, and each rank's own rows and scratch."""
    own = -(-job.panel // job.ranks)
    panels = 2 * basis if job.ritz else job.panels * job.panel
    return (
        8
        * job.d
        * (panels + job.ranks_on_node * ((8 + job.own) * own + job.private * job.panel + 8))
    )


def choose(job, operator, basis, kinds=OPERATORS):
    """Return the ``Plan`` for a job: the operator asked for, or the quicker of those that fit;
    raise UsageError where none does.

    ``basis`` is "all", a number of rows, or None for as many as are worth it. ``kinds`` are the
    ways to hold an operator.
    """
    offered = [name for name, kind in kinds.items() if kind.is_offered and not kind.refusal(job)]
    if operator in kinds and (why := kinds[operator].refusal(job)):
        raise UsageError(f"--operator {operator}: {why}")
    names = [operator] if operator != "auto" else ["gram"] if job.n is None else offered
    found = [_best(job, kinds[name], basis) for name in names]
    fitting = [plan for plan in found if plan.bytes <= job.memory]
    if not fitting:
        least = min(found, key=lambda plan: plan.bytes)
        raise UsageError(
            f"{least.operator} needs {format_size(least.bytes)} of memory per node,"
            f" {format_size(job.memory)} may be used; give more with --memory, use more nodes, or"
            " fewer components"
            + (
                f"; chunks of the files reach over {format_size(job.chunk_bytes)} of rows: rewrite"
                " them with 'hpcpca data shard'"
                if 2 * job.ranks_on_node * job.chunk_bytes > job.memory
                else ""
            )
        )
    best = min(fitting, key=lambda plan: plan.seconds)
    return replace(best, reason=_reason(best, found, job, operator))


def _best(job, kind, basis):
    """The plan of an operator of a kind, with corrections on a sample if that is worth it."""
    plain = _with_vectors(job, kind.cost(job), basis)
    tried = (_with_vectors(job, plan, basis) for plan in corrected(job, kind, plain))
    fitting = [each for each in tried if each.bytes <= job.memory and is_worth(each, plain, job)]
    return best_of(fitting) or plain


def _with_vectors(job, plan, basis):
    rows = _basis_rows(job, basis, job.memory - plan.bytes)
    return replace(plan, basis=rows, bytes=plan.bytes + _vectors_bytes(job, rows))


def _basis_rows(job, basis, free):
    """History that fits ``free`` bytes, within what was asked for; at least three panels."""
    if not job.ritz:
        return 0
    least = SMALLEST_BASIS * job.panel
    if basis not in (None, "all"):
        if int(basis) < least:
            raise UsageError(
                f"--basis {basis} is too small: at least 3 × {job.panel} = {least} rows are needed"
            )
        return min(int(basis), job.d + job.panel)
    wanted = (
        job.d + job.panel if basis == "all" else min(DEFAULT_BASIS * job.panel, job.d + job.panel)
    )
    fits = (free - _vectors_bytes(job, 0)) // (16 * job.d)
    return int(max(min(least, job.d + job.panel), min(wanted, fits)))


def _reason(best, found, job, asked):
    figures = "; ".join(
        f"{plan.operator} "
        + f"{format_seconds(plan.seconds)}, {format_size(plan.bytes)}"
        + ("" if plan.bytes <= job.memory else " (does not fit)")
        for plan in found
    )
    why = (
        "asked for"
        if asked != "auto"
        else "the only one"
        if len(found) == 1
        else "expected to be quickest"
    )
    might_map = asked in ("auto", "mini-batch") and job.n is not None and job.stored is None
    in_place = f"; not mapped: {job.unmapped}" if might_map and job.unmapped else ""
    return (
        f"{best.operator} ({why}; expected: {figures}; memory given {format_size(job.memory)} per"
        f" node{in_place})" + told(job, best)
    )
