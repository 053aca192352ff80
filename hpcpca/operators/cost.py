"""What operators have to know of a job to say what they cost: figures that are printed and kept
to.

Files give so many bytes/s a node, read ahead while computing. A pass of the panel over the rows
takes 4·n·d·m flops at the rate of a large product, and some time for each element besides. A round
of the Ritz exchange takes seven products of length d per pair of a new and a known vector, and
memory not used before for the new ones and their images.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..kernels.shapes import product_bytes
from ..kernels.tiles import tile_rows
from .centring import work_type

LONG, LONG_ROWS = (
    64 << 10,
    0.85,
)  # rows of more bytes are multiplied at this part of the rate (measured): they are read twice
# per element of a pair of vectors in a round of the Ritz exchange, at half the rate of products: 14
# where two sweeps orthonormalise, and what else there is (measured 10 to 22, for 64 to 16 vectors)
PAIR_FLOPS = 16
SKINNY_PANEL = 32  # vectors that the rate of skinny products is measured with
SWEEPS = 2.5  # conversions that mean, variance and check of the first reading are worth
LARGEST_PIECE = 64 << 20
FEWEST_SAMPLED = 1000  # rows from which on corrections may be worth their cost


@dataclass(frozen=True)
class Rates:
    """What one core does a second, by item size of the type (4: float32, 8: float64), and
    bytes/s of a node from its files.
    """

    skinny4: float = 60e9  # block Gram product with a panel of 32–40
    skinny8: float = 30e9
    large4: float = 90e9  # matrix product and SYRK
    large8: float = 45e9
    read: float = 2.0**30
    convert: float = 3e9  # elements
    copy: float = 4e9  # bytes, from the system's cache of files
    touch: float = 2e9  # bytes a node of memory not used before
    map: float = 2.0**30  # bytes a node of files that are mapped, used for the first time
    is_measured: bool = False

    def skinny(self, itemsize):
        """Of Bᵀ(BV)."""
        return self.skinny8 if itemsize == 8 else self.skinny4

    def large(self, itemsize):
        """Of BᵀB."""
        return self.large8 if itemsize == 8 else self.large4


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run has: ranks, threads of each, bytes per node; ``shm`` of those may be shared."""

    ranks: int
    ranks_on_node: int  # the largest number
    threads: int
    memory: int
    rates: Rates
    shm: int = 1 << 62
    cached: int = 1 << 62  # bytes of files that the system can keep in a node's memory
    shards: int | None = None  # of the grid that was asked for


@dataclass(frozen=True, kw_only=True)
class Job:
    """Sizes that costs depend on.

    ``ranks_on_node`` is the largest number on one node; n is None for a covariance.

    ``needs`` says what vectors the method holds (methods.Needs).
    """

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
    chunk_bytes: int = 0  # of the largest chunk, as rows over all columns
    shm: int = 1 << 62  # bytes that ranks of a node may share
    cached: int = 1 << 62  # bytes of files that the system can keep in a node's memory
    tol: float = 1e-6
    rates: Rates = Rates()
    panels: int = 2  # of the vectors exchange, once per node
    own: int = 0  # vectors that a top1 solver needs beside each one
    private: int = 0  # panels that every rank holds for itself
    batch_rows: int = 0  # that every worker draws for a round on mini-batches,
    batches: int = 1  # in so many
    slowness: float = 1.0  # rounds on mini-batches, over those of the Ritz exchange
    drawn: int = 0  # rows that every worker draws in mini-batches at most
    stored: int | None = None  # values of sparse rows; None: dense ones
    unmapped: str = ""  # why rows cannot be used where they lie
    grams: int = 0  # products of all vectors that workers tell each other in a round
    corrections: str = "off"  # auto, on or off: directions that are solved for on a sample
    sampled: int = 0  # rows of that sample, if there is one
    published: float = 1.0  # directions of each worker in a round, on average
    counts: ClassVar[str] = "components"  # what vectors are to users

    @property
    def rows(self):
        """Of the data; of a covariance as many as it has columns."""
        return self.n or self.d

    @property
    def title(self):
        """Sizes and type of the data, in words."""
        return f"{self.rows} × {self.d} {self.dtype}"

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
        """Over the data until the tolerance is met: measured 3.1 to 1e-4 and 5.2 to 1e-6 (tall,
        power law), 6.2 to 1e-6 (Fashion-MNIST).

        Vectors alone come nearer by the ratio of neighbouring eigenvalues a round; λ_k = 1/k has 1
        − 1/K. Measured for K = 8: to 1e-3 33 (Fashion-MNIST), 37 (1/k), 71 (k^-0.5), to 1e-6 98,
        89, 175. Corrections on 10,000 rows and more save a third, on 1,000 nothing.
        """
        digits = -math.log10(max(self.tol, 1e-15))
        if self.sampled:
            digits *= 1 - min(1, max(0, math.log10(self.sampled / FEWEST_SAMPLED))) / 3
        return max(2, round(digits if self.ritz else self.panel * math.log(10) * digits))

    @property
    def work(self):
        """Type the products are taken in."""
        return work_type(self.dtype, self.double)


def of_settings(settings, panel, machine):
    """Return the fields of a ``Job`` that settings and machine give, whatever the problem."""
    needs = settings.chosen.needs(settings)
    return {
        **vars(machine),
        "panel": panel,
        "double": settings.starts_in_double,
        "tol": settings.tol,
        "ritz": needs.has_history,
        "panels": needs.panels,
        "own": needs.own,
        "private": needs.private,
        "corrections": needs.corrections,
        "slowness": needs.slowness,
    }


@dataclass(frozen=True)
class Plan:
    """What was chosen and what it is expected to take."""

    operator: str
    shards: int  # S of the grid W×S
    bytes: int  # of memory per node, without interpreter and libraries
    seconds: float  # of computing and reading
    elements: int  # of the data that a rank converts, over all passes
    basis: int = 0  # rows of history the Ritz exchange may keep
    piece_bytes: int = 0  # streaming: read at a time
    sample_rows: int = 0  # for the shift of rows in files, start panel and corrections
    corrections: str = ""  # how their sample is held: MATRIX or ROWS; "": there are none
    published: float = 1.0  # directions of each worker in a round, on average
    directions: str = ""  # which, if that is not found by comparing
    cache_bytes: int = 0  # mini-batch: for chunks that a batch needs a few rows of
    reads: int = 1  # of all files
    rounds: int = 0  # mini-batch: expected
    reason: str = ""


# how the sample of corrections is held: Σ_s itself, or its rows
MATRIX, ROWS = "matrix", "rows"


def as_planned(job, plan):
    """The job with what the plan has it do."""
    sampled = plan.sample_rows if plan.corrections else 0
    return replace(job, sampled=sampled, published=plan.published)


def scratch(job, shards):
    """Tiles, what products work in, partial images and their sum, on all ranks of a node."""
    columns, item = -(-job.panel * shards // job.ranks), job.work.itemsize  # of a group
    tile = tile_rows(job.d, item) * job.d * item
    sums = (columns + 2) * job.d * 8  # images, and sums of columns and of their squares
    each_thread = tile + product_bytes(job.d, columns, item) + sums
    return job.ranks_on_node * (job.threads * each_thread + columns * job.d * (8 + item))


def pass_seconds(job):
    """Seconds of computing in a pass of what is published over the rows: the flops of a large
    product, and for each element, once in each group, what a panel of 32 was measured to take
    longer.

    For panels of 2 to 64 vectors that is 0.7 to 1.4 times what products take (measured; of bytes
    in few columns, less); at the rate of 32 vectors for all it was 0.1 to 1.2.
    """
    rates, item, shards = job.rates, job.work.itemsize, job.shards or job.ranks
    skinny = rates.skinny(item) * (LONG_ROWS if is_long(job) else 1)
    flops = 4 * SKINNY_PANEL
    row = max(flops / skinny - flops / rates.large(item), 1 / rates.convert)  # for each element
    vectors = 4 * job.panel * job.published / rates.large(item)
    return job.n * job.d / job.cores * (row * job.ranks / shards + vectors)


def is_long(job):
    """Whether rows are too long to stay in cache from one product to the other."""
    return job.row_bytes > LONG


def convert_seconds(job):
    """Seconds of converting every element once."""
    return job.n * job.d / (job.rates.convert * job.cores)


def algebra_seconds(job):
    """Of the exchange's own products over a run, with vectors known from half of the rounds on
    average; and of the memory that new ones and their images take.
    """
    if not job.ritz:
        return 0.0
    new = job.passes * job.panel * job.published
    known, rate = min(job.d, int(new) // 2), job.rates.large(8) / 2 * job.cores
    each = PAIR_FLOPS * known / rate + 2 * 8 / job.rates.touch
    return new * job.d * each


def read_seconds(job):
    """Seconds of reading all rows from the files."""
    return job.n * job.row_bytes / (job.rates.read * job.ranks / job.ranks_on_node)


def share_bytes(job, shards):
    """Of the largest share of the rows."""
    return -(-job.n // shards) * job.row_bytes + job.chunk_bytes


def with_learning(plan, job):
    """The plan with one more reading before, in which statistics of columns are learnt."""
    learning = read_seconds(job) + SWEEPS * convert_seconds(job)
    return replace(plan, reads=plan.reads + 1, seconds=plan.seconds + learning)
