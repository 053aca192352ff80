"""Σ estimated from mini-batches: an unbiased image of every vector, from random rows of its own."""

from dataclasses import replace

import numpy as np

from ..kernels.tiles import tile_rows
from ..rng import stream
from ..sources.rows import BATCH_PIECE_BYTES
from . import mapped, streaming
from .cost import LARGEST_PIECE
from .kind import register

# of consecutive rows in a batch, spread over all: fewer are read faster, more are alike in sorted
# data too
RUNS = 8
LEAST_SAMPLE = 32  # rows, for the shift
BATCHES = 0xBA7C4  # tells these streams from others of a seed


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


def cost(job):
    """Return the ``Plan`` of a job on mini-batches: a first pass and a last, and a piece of a batch
    for each thread. Its seconds and reads are of these two passes: how long rounds take is up to
    how fast the files give rows at random.
    """
    most = max(LEAST_SAMPLE, LARGEST_PIECE // job.row_bytes)
    # the sample is for the shift only: there is no start panel to make of it
    plan = streaming.cost(job, most) if job.unmapped else mapped.cost(job, most)
    each_thread = (
        BATCH_PIECE_BYTES + tile_rows(job.d, job.work.itemsize) * job.d * job.work.itemsize
    )
    cache = min(LARGEST_PIECE, job.memory // (16 * job.ranks_on_node)) if job.unmapped else 0
    held = plan.bytes + job.ranks_on_node * (cache + job.threads * each_thread)
    each = job.panel / job.cores * job.d * job.drawn  # elements
    return replace(
        plan,
        operator="mini-batch",
        bytes=held,
        seconds=2 * plan.seconds / job.passes,
        reads=min(plan.reads, 2),
        cache_bytes=cache,
        elements=int(each * job.threads + 2 * job.n * job.d // plan.shards),
    )


register("mini-batch", load, cost, is_offered=False)
