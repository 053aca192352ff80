"""Σ estimated from mini-batches: an unbiased image of every vector, from random rows of its own."""

import math
from dataclasses import replace

import numpy as np

from ..kernels.tiles import tile_rows
from ..rng import stream
from ..sources.rows import BATCH_PIECE_BYTES, SHORT
from . import mapped, streaming
from .cost import LARGEST_PIECE, is_long
from .kind import register

# of consecutive rows in a batch, spread over all: fewer are read faster, more are alike in sorted
# data too
RUNS = 8
LEAST_SAMPLE = 32  # rows, for the shift
BATCHES = 0xBA7C4  # tells these streams from others of a seed
ROUGH = 1e-2  # tolerance at which exact passes take over
BATCH_SECONDS = 0.25e-3  # of a batch's own, whatever its size;
ROUND_SECONDS = 1.5e-3  # and of a round's
ALGEBRA_FLOPS = 20  # of a round, per element of the panel and of a worker's vector
ALGEBRA_ARRAYS = 6  # of memory not used before, per vector


def runs_of(n, size, *key):
    """[(first row, count)] of a batch of ``size`` of n rows, by its ``key`` (seed, component,
    round, step).

    Runs begin at random, one in each of ``RUNS`` equal parts of the file set, so that every row is
    as likely; row 0 comes after the last.
    """
    seed, *numbers = key
    runs = min(RUNS, size)
    starts = (np.arange(runs) + stream(seed, BATCHES, *numbers).random(runs)) * (n / runs)
    edges = [size * index // runs for index in range(runs + 1)]
    return [(int(start), stop - first) for start, first, stop in zip(starts, edges, edges[1:])]


class MiniBatches:
    """Σ̂v = ŶᵀŶv·n/((n−1)B) for a fresh batch Ŷ of B rows, centred with the mean of all, of
    every vector (arXiv 2502.17615, Algorithm 2).

    ``read(runs)`` yields the rows of runs [(first, count)], numbered over the whole file set, in
    pieces (r, d); ``exact`` is the operator on all rows, which knows their mean and scale after its
    first pass. Batches depend on (seed, component, round, step) alone.
    """

    def __init__(self, read, exact, size, seed, exchange, *, counters, team):
        self._read, self._exact, self.size, self._seed = read, exact, size, seed
        self._exchange, self._counters, self._team = exchange, counters, team
        self._centring, self._of = None, None

    def apply(self, vectors, numbers, round, step, superiors=None):
        """Return images (r, d) of this rank's ``vectors`` (r, d), of the components ``numbers``
        (r); and ‖Ŷs‖²n/((n−1)B) of ``superiors`` (m, d) on each one's batch (r, m), or None.
        Collective; raises Interrupted within a batch of a request to stop.
        """
        interrupt = self._exchange.interrupt
        images, squares = (
            np.zeros(vectors.shape),
            (None if superiors is None else np.zeros((len(vectors), len(superiors)))),
        )
        with self._counters.time("apply"), self._exchange.agreed():
            centring = self._at_the_mean()
            columns = [
                vectors.astype(centring.work),
                None if superiors is None else superiors.astype(centring.work),
            ]

            def work(index, _):
                self._add(
                    centring,
                    runs_of(self._exact.n, self.size, self._seed, numbers[index], round, step),
                    columns[0][index : index + 1],
                    columns[1],
                    images[index : index + 1],
                    squares=None if squares is None else squares[index],
                )

            self._team.share(len(vectors), lambda: None, work, interrupt.requested)
        interrupt.stop_if(interrupt.requested())
        factor = self._exact.n / centring.divisor
        images *= factor / self.size
        images -= factor * np.outer(
            vectors @ centring.offset, centring.offset
        )  # what the shift misses the mean by, in expectation
        if squares is not None:
            squares *= factor / self.size
            squares -= factor * (superiors @ centring.offset) ** 2
        return images, squares

    def count(self, vectors):
        """Tally one batch for each of so many ``vectors`` of all ranks."""
        rows = vectors * self.size
        self._counters.samples += rows
        self._counters.reads += rows / self._exact.n

    def _at_the_mean(self):
        """The exact operator's centring with the shift moved to the mean."""
        if self._of is not self._exact.centring:
            self._of = self._exact.centring
            self._centring = replace(self._of, whole=False).at_the_mean()
        return self._centring

    def _add(self, centring, runs, vector, superiors, image, *, squares):
        """Add sums over a batch: image (1, d) += Bᵀ(Bv), squares (m) += ‖Bs‖²."""
        for rows in self._read(runs):
            tiles = centring.tiles(rows)
            buffer = tiles.buffer()
            if superiors is None:
                for number in range(tiles.products):
                    tiles.add_product(number, buffer, vector, image)
                continue
            for number in range(len(tiles)):
                tile = tiles.tile(number, buffer)
                tiles.kernels.gram_product(tile, vector, image)
                squares += np.square(tile @ superiors.T, dtype=np.float64).sum(axis=0)


def load(resources, is_double, plan, resumed):
    """Return the operator on all rows, used where they lie in the files, if they can be."""
    kind = streaming if resources.source.unmapped else mapped
    return kind.load(resources, is_double, plan, resumed)


def expected_rounds(job):
    """Rounds until the noise of the batches is within the tolerance.

    The running mean of images of N rows is off by √(4/3·λ_k(trΣ + λ_k)/N) (normal rows), most for
    the first component. λ_k = 1/k has trΣ/λ_0 = ln d + 0.58. Measured were 0.6 to 1.2 times as many
    (Fashion-MNIST, 1/k; tolerances of 1e-2 to 3e-2, batches of 100 and 500).
    """
    tol, most = job.tol, job.drawn // job.batch_rows
    if job.ritz:  # exact passes take over
        tol, most = max(tol, ROUGH), min(most, -(-job.n // job.batch_rows))
    rows = 4 / 3 * (math.log(job.d) + 1.58) / max(tol, 1e-15) ** 2
    return int(max(1, min(most, job.slowness * math.ceil(rows / job.batch_rows))))


def _cache(job):
    """Bytes for chunks of files that are not mapped."""
    return min(LARGEST_PIECE, job.memory // (16 * job.ranks_on_node)) if job.unmapped else 0


def _draw_seconds(job):
    """Seconds in which a thread draws what a worker needs for a round, and multiplies it with one
    vector.
    """
    elements, run_bytes = (
        job.batch_rows * job.d,
        job.batch_rows * job.row_bytes / job.batches / RUNS,
    )
    copying = job.batch_rows * job.row_bytes / job.rates.copy
    reading = job.batches * RUNS * (run_bytes + job.chunk_bytes) / job.rates.read
    if job.n * job.row_bytes <= _cache(job):  # what was read stays there
        reading = 0.0
    if not job.unmapped:
        copying, reading = copying if run_bytes < SHORT else 0.0, 0.0
    multiplying = (2 if is_long(job) else 1) * elements / job.rates.convert  # memory is all
    own = -(-job.panel // job.ranks)
    # all ranks of a node read at the same time, but threads of a rank one after the other
    reading *= job.ranks_on_node * min(job.threads, own)
    return job.batches * BATCH_SECONDS + copying + multiplying + reading


def round_seconds(job):
    """Seconds of a round on mini-batches, without its messages."""
    own, rate = -(-job.panel // job.ranks), job.rates.large(8) / 2
    turns = -(-own // job.threads)  # each vector is one thread's
    algebra = ALGEBRA_FLOPS * own * job.panel * job.d / (rate * job.threads)
    touching = ALGEBRA_ARRAYS * 8 * own * job.ranks_on_node * job.d / job.rates.touch
    return turns * _draw_seconds(job) + algebra + touching + ROUND_SECONDS


def cost(job):
    """Return the ``Plan`` of a job on mini-batches: a first pass and a last, rounds in between, and
    memory for a piece of a batch for each thread.
    """
    most = max(LEAST_SAMPLE, LARGEST_PIECE // job.row_bytes)
    # the sample is for the shift only: there is no start panel to make of it
    plan = streaming.cost(job, most) if job.unmapped else mapped.cost(job, most)
    each_thread = (
        BATCH_PIECE_BYTES + tile_rows(job.d, job.work.itemsize) * job.d * job.work.itemsize
    )
    cache = _cache(job)
    held = plan.bytes + job.ranks_on_node * (cache + job.threads * each_thread)
    each = job.panel / job.cores * job.d * job.drawn  # elements
    rounds, passes = expected_rounds(job), job.passes if job.ritz else 2
    return replace(
        plan,
        operator="mini-batch",
        bytes=held,
        seconds=passes * plan.seconds / job.passes + rounds * round_seconds(job),
        reads=min(plan.reads, passes),
        cache_bytes=cache,
        elements=int(each * job.threads + 2 * job.n * job.d // plan.shards),
        rounds=rounds,
    )


register("mini-batch", load, cost, is_offered=False)
