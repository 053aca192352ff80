"""What corrections on a sample cost and save: which sample, held how, if any."""

from dataclasses import replace

from ..methods.corrections import BOTH, CORRECTIONS, STEPS
from ..methods.warm_start import MOST_ROUNDS, ROUNDS
from ..operators.cost import (
    FEWEST_SAMPLED,
    MATRIX,
    ROWS,
    as_planned,
    convert_seconds,
    pass_seconds,
    read_seconds,
)

SHARES = (0.02, 0.05, 0.1, 0.25)  # of all rows, that a sample may be
ENOUGH_SAMPLED = 4000  # for corrections that are asked for, whatever they gain
# directions a round where both kinds are published if it is not clear which are better (measured: 1
# to 1.5, by the spectrum)
COMPARED = 1.1
# of the time without, for auto to take them; less where all rows may stay in memory: spectra of
# pictures take fewer passes without them than are forecast
WORTH, WORTH_IN_MEMORY = 0.95, 0.85
LEAST_WORTH = 0.05  # seconds saved
ALIKE = 1.1  # times the seconds of the quickest
MINRES_PANELS = 10  # that solving takes


def corrected(job, kind, plain):
    """Yield the plans with corrections of an operator of a ``kind`` that has a ``plain`` one."""
    if job.corrections == "off" or not kind.samples or not job.ritz or job.batch_rows:
        return
    is_asked, most = job.corrections == "on", int(max(SHARES) * job.n)
    least = min(most, ENOUGH_SAMPLED) if is_asked else FEWEST_SAMPLED
    kinds = (CORRECTIONS,) if is_asked else ("", BOTH)
    sizes = {least, plain.sample_rows, *(int(share * job.n) for share in SHARES)}
    for rows in sorted(size for size in sizes if 0 < least <= size <= most):
        for held in (MATRIX, ROWS) if job.stored is None else (ROWS,):
            for directions in kinds:
                yield from _planned(job, kind, rows, held, directions)


def _planned(job, kind, rows, held, directions):
    tried = replace(job, sampled=rows)
    rounds = tried.passes
    published = {BOTH: (2 * rounds - 1) / rounds, CORRECTIONS: 1.0}.get(directions, COMPARED)
    tried = replace(tried, published=published)
    plan = kind.cost(tried)
    if plan.sample_rows and plan.sample_rows < rows:
        return  # it does not fit
    yield replace(
        plan,
        bytes=plan.bytes + _bytes(job, kind, plan.shards, rows, held),
        seconds=plan.seconds + _seconds(tried, kind, rows, held),
        sample_rows=rows,
        corrections=held,
        published=published,
        directions=directions,
    )


def _seconds(job, kind, rows, held):
    """Of the sample, and of what is solved for on it."""
    sample = replace(job, n=rows, published=1.0)
    found = convert_seconds(sample)
    if kind.samples == "reads":
        found += read_seconds(sample)
    solved = STEPS * (job.passes - 1)
    if held == ROWS:
        return found + (solved + ROUNDS) * pass_seconds(sample)
    rate, large = job.rates, job.cores
    built = rows * job.d**2 / (rate.large(job.work.itemsize) * large)
    applied = 2 * job.d**2 * job.panel * (solved + MOST_ROUNDS) / (rate.large(8) * large)
    summed = 3 * 8 * job.d**2 * job.ranks_on_node / job.rates.touch
    return found + built + applied + summed


def _bytes(job, kind, shards, rows, held):
    """Of a node's memory."""
    own, panels = -(-job.panel // job.ranks), job.panel * (1 + (held == ROWS))
    found = 8 * job.d * (panels + job.ranks_on_node * MINRES_PANELS * own)
    if kind.samples == "holds":
        share = (job.stored / (job.n * job.d) if job.stored is not None else 1) * 2
        found += int(min(1, share) * rows * job.d * job.work.itemsize * job.ranks_on_node // shards)
    if held == MATRIX:
        found += job.d**2 * (8 + job.ranks_on_node * (8 + job.work.itemsize))
    return found


def best_of(plans):
    """The best of plans with corrections, or None: of those about as quick as the quickest, the one
    with the largest sample, since what a sample saves depends on the spectrum; and if reading is
    what takes time, with both kinds of directions, which may save a pass more.
    """
    least = min((plan.seconds for plan in plans), default=0.0)
    near = [plan for plan in plans if plan.seconds <= ALIKE * least]

    def rank(plan):
        return plan.sample_rows, plan.directions == BOTH, -plan.seconds

    return max(near, key=rank, default=None)


def is_worth(plan, plain, job):
    """Whether to take a plan with corrections rather than the ``plain`` one."""
    if job.corrections == "on" or plain.bytes > job.memory:
        return True
    is_large = plain.reads > 1 or job.n * job.row_bytes > job.memory
    share = WORTH if is_large else WORTH_IN_MEMORY
    return plan.seconds < min(share * plain.seconds, plain.seconds - LEAST_WORTH)


def told(job, plan):
    """What of it is told with the plan."""
    if not plan.corrections:
        return ""
    tried = as_planned(job, plan)
    return f"; corrections on {plan.sample_rows} sampled rows, {tried.passes} passes expected"
