"""The cost model: which operator, what it holds, what it takes; figures printed and kept to.

First, stated model: a read costs the same for all operators. A pass of the panel over the rows takes 4·n·d·m flops at the
rate of a skinny product; building Σ takes n·d² flops (SYRK uses symmetry) at the rate of a large one, and applying it
2·d²·m flops a round. ``PASSES`` says how many are expected.
"""

from dataclasses import dataclass

import numpy as np

from .errors import UsageError
from .kernels.tiles import TILE_BYTES
from .operators.centring import work_type
from .operators.gram import tile_step
from .units import format_seconds, format_size

PASSES = {True: 8, False: 500}    # of the ritz and of the vectors exchange
SKINNY_RATE = {4: 60e9, 8: 30e9}   # flop/s per core, float32 and float64: panels 32–40 wide
LARGE_RATE = {4: 90e9, 8: 45e9}    # SYRK
DEFAULT_BASIS = 16                 # panels of history kept unless memory or --basis says otherwise
SMALLEST_BASIS = 3


@dataclass(frozen=True)
class Job:
    """Sizes that costs depend on. ``ranks_on_node`` is the largest number on one node; n is None for a covariance."""

    n: int | None
    d: int
    dtype: np.dtype
    panel: int
    double: bool
    ritz: bool
    ranks: int
    ranks_on_node: int
    threads: int
    shards: int | None
    memory: int


@dataclass(frozen=True)
class Plan:
    """What was chosen and what it is expected to take."""

    operator: str
    shards: int        # S of the grid W×S
    basis: int         # rows of history the Ritz exchange may keep
    bytes: int         # of memory per node, without interpreter and libraries
    seconds: float     # of computing, without reading
    elements: int      # of the data that a rank converts, over all passes
    reason: str


def panel_width(components, guards, rank_limit, ritz):
    """m = K + guards. The Ritz exchange pads to a multiple of 8 with at least two guards; never more than there are components."""
    if guards is None:
        guards = 8 * -(-(components + 2) // 8) - components if ritz else 0
    return min(components + guards, rank_limit)


def _vectors_bytes(job, basis):
    """Panels held once per node, and each rank's own rows and scratch."""
    own = -(-job.panel // job.ranks)
    panels = 2 * basis if job.ritz else 2 * job.panel
    return 8 * job.d * (panels + job.ranks_on_node * (8 * own + 8))


def _in_memory(job, shards):
    work = work_type(job.dtype, job.double)
    rows = job.n * job.d * job.dtype.itemsize * job.ranks_on_node // shards
    columns = -(-job.panel * shards // job.ranks)  # of a group
    scratch = job.threads * (TILE_BYTES + columns * job.d * (8 + work.itemsize)) + columns * job.d * (8 + work.itemsize)
    flops = PASSES[job.ritz] * 4 * job.n * job.d * job.panel
    return rows + job.ranks_on_node * scratch, flops / (SKINNY_RATE[work.itemsize] * job.ranks * job.threads)


def _gram(job):
    work = work_type(job.dtype, job.double)
    matrix = 8 * job.d ** 2
    apply = PASSES[job.ritz] * 2 * job.d ** 2 * job.panel / LARGE_RATE[8]
    if job.n is None:
        return matrix, apply / (job.ranks * job.threads)
    tile = tile_step(job.d, work.itemsize, TILE_BYTES // (job.d * work.itemsize)) * job.d * work.itemsize
    building = job.ranks_on_node * (matrix + matrix * work.itemsize // 8 + tile + (64 << 20))
    return matrix + building, (job.n * job.d ** 2 / LARGE_RATE[work.itemsize] + apply) / (job.ranks * job.threads)


def choose(job, operator, basis):
    """Return the ``Plan`` for a job: the operator asked for, or the quicker of those that fit; raise UsageError where none does.

    ``basis`` is "all", a number of rows, or None for as many as are worth it.
    """
    default_shards = {"gram": 1, "in-memory": job.ranks}
    found = []
    for name in (["gram", "in-memory"] if operator == "auto" else [operator]):
        if job.n is None and name != "gram":
            continue
        shards = job.shards or default_shards[name]
        held, seconds = _gram(job) if name == "gram" else _in_memory(job, shards)
        rows = _basis_rows(job, basis, job.memory - held)
        found.append(Plan(name, shards, rows, held + _vectors_bytes(job, rows), seconds, _elements(job, name, shards), ""))
    fitting = [plan for plan in found if plan.bytes <= job.memory]
    if not fitting:
        least = min(found, key=lambda plan: plan.bytes)
        raise UsageError(f"{least.operator} needs {format_size(least.bytes)} of memory per node, {format_size(job.memory)} may be used; "
                         "give more with --memory, use more nodes, or fewer components")
    best = min(fitting, key=lambda plan: plan.seconds)
    return Plan(best.operator, best.shards, best.basis, best.bytes, best.seconds, best.elements, _reason(best, found, job, operator))


def _elements(job, operator, shards):
    if job.n is None:
        return 0
    return job.n * job.d // job.ranks if operator == "gram" else (PASSES[job.ritz] + 2) * job.n * job.d // shards


def _basis_rows(job, basis, free):
    """History that fits ``free`` bytes, within what was asked for; at least three panels."""
    if not job.ritz:
        return 0
    least = SMALLEST_BASIS * job.panel
    if basis not in (None, "all"):
        if int(basis) < least:
            raise UsageError(f"--basis {basis} is too small: at least 3 × {job.panel} = {least} rows are needed")
        return min(int(basis), job.d + job.panel)
    wanted = job.d + job.panel if basis == "all" else min(DEFAULT_BASIS * job.panel, job.d + job.panel)
    fits = (free - _vectors_bytes(job, 0)) // (16 * job.d)
    return int(max(min(least, job.d + job.panel), min(wanted, fits)))


def _reason(best, found, job, asked):
    figures = "; ".join(f"{plan.operator} {format_seconds(plan.seconds)}, {format_size(plan.bytes)}"
                        + ("" if plan.bytes <= job.memory else " (does not fit)") for plan in found)
    why = "asked for" if asked != "auto" else "the only one" if len(found) == 1 else "expected to be quickest"
    return f"{best.operator} ({why}; expected: {figures}; memory given {format_size(job.memory)} per node)"
