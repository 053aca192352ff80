"""The cost model: which operator, what it holds, what it takes; figures printed and kept to.

Files give so many bytes/s a node, read ahead while computing. A pass of the panel over the rows takes 4·n·d·m flops at the rate
of a skinny product, and a conversion of every element that is not held as it is multiplied; building Σ takes n·d² flops (SYRK uses
symmetry) at the rate of a large one, and applying it 2·d²·m flops a round. A round of the Ritz exchange handles vectors of length
d some ten times per pair of a new and a known one. ``Job.passes`` says how many passes are expected.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from .errors import UsageError
from .io.batches import PIECE_BYTES as BATCH_PIECE
from .kernels.tiles import tile_rows
from .methods.ritz_exchange import SMALLEST_BASIS
from .operators.centring import work_type
from .operators.gram import tile_step
from .rates import Rates
from .units import format_seconds, format_size

LONG, LONG_ROWS = 64 << 10, 0.5    # rows of more bytes are multiplied at this part of the rate (measured): a tile is out of cache
SWEEPS = 2.5                       # conversions that mean, variance and check of the first reading are worth
PAIR_FLOPS = 20                    # per element of a pair of vectors in a round of the Ritz exchange, at half the rate of products
LARGEST_PIECE = 64 << 20
SAMPLE_SHARE, SAMPLE_ROWS, LEAST_SAMPLE = 0.05, 512, 32
DEFAULT_BASIS = 16                 # panels of history kept unless memory or --basis says otherwise
FEWEST_GUARDS = 8


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
    chunk_bytes: int = 0   # of the largest chunk, as rows over all columns
    shm: int = 1 << 62     # bytes that ranks of a node may share
    tol: float = 1e-6
    rates: Rates = Rates()
    panels: int = 2        # of the vectors exchange, once per node
    own: int = 0           # vectors that a top1 solver needs beside each one
    private: int = 0       # panels that every rank holds for itself
    drawn: int = 0         # rows that every worker draws in mini-batches at most

    @property
    def row_bytes(self):
        """Of the files' type."""
        return self.d * self.dtype.itemsize

    @property
    def cores(self):
        """Threads of all ranks."""
        return self.ranks * self.threads

    @property
    def passes(self):
        """Over the data until the tolerance is met: measured 3.1 to 1e-4 and 5.2 to 1e-6 (tall, power law), 6.2 to 1e-6 (Fashion-MNIST).

        Vectors alone come nearer by the ratio of neighbouring eigenvalues a round; λ_k = 1/k has 1 − 1/K.
        Measured for K = 8: to 1e-3 33 (Fashion-MNIST), 37 (1/k), 71 (k^-0.5), to 1e-6 98, 89, 175.
        """
        digits = -math.log10(max(self.tol, 1e-15))
        return max(2, round(digits if self.ritz else self.panel * math.log(10) * digits))

    @property
    def work(self):
        """Type the products are taken in."""
        return work_type(self.dtype, self.double)


@dataclass(frozen=True)
class Plan:
    """What was chosen and what it is expected to take."""

    operator: str
    shards: int           # S of the grid W×S
    bytes: int            # of memory per node, without interpreter and libraries
    seconds: float        # of computing and reading
    elements: int         # of the data that a rank converts, over all passes
    basis: int = 0        # rows of history the Ritz exchange may keep
    piece_bytes: int = 0  # streaming: read at a time
    sample_rows: int = 0  # streaming: for shift and start panel
    cache_bytes: int = 0  # mini-batch: for chunks that a batch needs a few rows of
    reason: str = ""


def most_components(components, n, d, covariance=False):
    """Return how many components rows (n, d), or a covariance (d, d), have; raise UsageError if more are asked for."""
    most = d if covariance else min(n - 1, d)
    if components <= most:
        return most
    why = f"a covariance of {d} features has {d}" if covariance else (
        f"{n} rows of {d} features have min(n−1, d): taking off their mean leaves n−1" if n <= d else f"there are {d} features")
    raise UsageError(f"-k {components}: the data have at most {most} components ({why}); ask for {most} or fewer")


def panel_width(components, guards, rank_limit, ritz):
    """m = K + guards, never more than there are components. The Ritz exchange pads to a multiple of 8 with at least 8 guards.

    Measured to 1e-6, passes with at least 2 against at least 8: Fashion-MNIST K = 30 8 and 7 (cold), 7 and 6 (warm); 200,000×2,000
    K = 20 5 and 4 (warm). The work is the same, the reads and rounds are fewer.
    """
    if guards is None:
        guards = 8 * -(-(components + FEWEST_GUARDS) // 8) - components if ritz else 0
    return min(components + guards, rank_limit)


def _vectors_bytes(job, basis):
    """Panels held once per node, and each rank's own rows and scratch."""
    own = -(-job.panel // job.ranks)
    panels = 2 * basis if job.ritz else job.panels * job.panel
    return 8 * job.d * (panels + job.ranks_on_node * ((8 + job.own) * own + job.private * job.panel + 8))


def _scratch(job, shards):
    """Tiles, partial images and their sum on all ranks of a node."""
    columns = -(-job.panel * shards // job.ranks)  # of a group
    tile = tile_rows(job.d, job.work.itemsize) * job.d * job.work.itemsize
    return job.ranks_on_node * (job.threads * (tile + columns * job.d * (8 + job.work.itemsize)) + columns * job.d * (8 + job.work.itemsize))


def _pass_seconds(job):
    rate = job.rates.skinny(job.work.itemsize) * (LONG_ROWS if job.row_bytes > LONG else 1)
    return 4 * job.n * job.d * job.panel / (rate * job.cores)


def _convert_seconds(job):
    return job.n * job.d / (job.rates.convert * job.cores)


def _algebra_seconds(job):
    """Of the exchange's own products over a run: with vectors known from half of the rounds on average."""
    known = min(job.d, job.passes * job.panel // 2)
    return job.passes * PAIR_FLOPS * job.panel * known * job.d / (job.rates.large(8) / 2 * job.cores) if job.ritz else 0.0


def _read_seconds(job):
    return job.n * job.row_bytes / (job.rates.read * job.ranks / job.ranks_on_node)


def _in_memory(job):
    shards, passes = job.shards or job.ranks, job.passes
    rows = job.n * job.row_bytes * min(shards, job.ranks_on_node) // shards  # once per node, whatever number of groups
    if shards < job.ranks_on_node and rows > job.shm:
        rows = job.n * job.row_bytes * job.ranks_on_node // shards
    held = rows + _scratch(job, shards)
    each = _pass_seconds(job) + (_convert_seconds(job) if job.dtype != job.work else 0)
    first = _read_seconds(job) + rows / job.rates.touch + SWEEPS * _convert_seconds(job)
    return Plan("in-memory", shards, held, first + passes * each + _algebra_seconds(job), (passes + 2) * job.n * job.d // shards)


def _streaming(job, most_sampled=math.inf):
    shards, passes = job.shards or job.ranks, job.passes
    piece = max(job.chunk_bytes, job.row_bytes, min(LARGEST_PIECE, _share_bytes(job, shards), job.memory // (8 * job.ranks_on_node)))
    most = job.memory // 4 // (job.row_bytes * job.ranks_on_node // shards + 1)
    sample = int(max(1, min(most, most_sampled, max(SAMPLE_SHARE * job.n, 4 * job.panel, SAMPLE_ROWS), job.n)))
    held = job.ranks_on_node * (2 * piece + 2 * sample * job.row_bytes // shards) + _scratch(job, shards)
    copying = job.n * job.row_bytes / (job.rates.copy * job.cores)  # the reader takes time from whom it shares a core with
    each = max(_pass_seconds(job) + _convert_seconds(job) + copying, _read_seconds(job))
    seconds = passes * each + SWEEPS * _convert_seconds(job) + _algebra_seconds(job)
    return Plan("streaming", shards, held, seconds, (passes + 1) * job.n * job.d // shards, piece_bytes=piece, sample_rows=sample)


def _share_bytes(job, shards):
    """Of the largest share of the rows."""
    return -(-job.n // shards) * job.row_bytes + job.chunk_bytes


def _gram(job):
    matrix = 8 * job.d ** 2
    apply = job.passes * 2 * job.d ** 2 * job.panel / (job.rates.large(8) * job.cores) + _algebra_seconds(job)
    if job.n is None:
        return Plan("gram", job.shards or 1, matrix, apply, 0)
    item = job.work.itemsize
    tile = min(tile_step(job.d, item, tile_rows(job.d, item)), -(-job.n // job.ranks)) * job.d * item
    held = matrix + job.ranks_on_node * (matrix + matrix * item // 8 + tile + 2 * max(min(LARGEST_PIECE, _share_bytes(job, job.ranks)), job.chunk_bytes))
    products = job.n * job.d ** 2 / (job.rates.large(item) * job.cores)
    seconds = max(products + SWEEPS * _convert_seconds(job), _read_seconds(job)) + apply
    return Plan("gram", job.shards or 1, held, seconds, job.n * job.d // job.ranks)


def _mini_batch(job):
    """Streaming for the first pass and the last, and a piece of a batch for each thread; at most so long."""
    plan = _streaming(job, max(LEAST_SAMPLE, LARGEST_PIECE // job.row_bytes))  # for the shift only: there is no start panel to make of it
    each_thread = BATCH_PIECE + tile_rows(job.d, job.work.itemsize) * job.d * job.work.itemsize
    cache = min(LARGEST_PIECE, job.memory // (16 * job.ranks_on_node))
    held = plan.bytes + job.ranks_on_node * (cache + job.threads * each_thread)
    each = job.panel / job.cores * job.d * job.drawn  # elements
    seconds = 2 * plan.seconds / max(1, job.passes) + each * (8 / job.rates.skinny(job.work.itemsize) + 1 / job.rates.convert)
    return replace(plan, operator="mini-batch", bytes=held, seconds=seconds, cache_bytes=cache, elements=int(each * job.threads + 2 * job.n * job.d // plan.shards))


OPERATORS = {"gram": _gram, "in-memory": _in_memory, "streaming": _streaming, "mini-batch": _mini_batch}
ON_ALL_ROWS = ("gram", "in-memory", "streaming")  # of which auto chooses


def choose(job, operator, basis):
    """Return the ``Plan`` for a job: the operator asked for, or the quicker of those that fit; raise UsageError where none does.

    ``basis`` is "all", a number of rows, or None for as many as are worth it.
    """
    names = [operator] if operator != "auto" else ["gram"] if job.n is None else list(ON_ALL_ROWS)
    found = []
    for name in names:
        plan = OPERATORS[name](job)
        rows = _basis_rows(job, basis, job.memory - plan.bytes)
        found.append(replace(plan, basis=rows, bytes=plan.bytes + _vectors_bytes(job, rows)))
    fitting = [plan for plan in found if plan.bytes <= job.memory]
    if not fitting:
        least = min(found, key=lambda plan: plan.bytes)
        raise UsageError(f"{least.operator} needs {format_size(least.bytes)} of memory per node, {format_size(job.memory)} may be used; "
                         "give more with --memory, use more nodes, or fewer components"
                         + (f"; chunks of the files reach over {format_size(job.chunk_bytes)} of rows: rewrite them with 'hpcpca data shard'"
                            if 2 * job.ranks_on_node * job.chunk_bytes > job.memory else ""))
    best = min(fitting, key=lambda plan: plan.seconds)
    return replace(best, reason=_reason(best, found, job, operator))


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
