"""Covariance operator on rows that stay in the files: a block is in use while the next is read."""

import math
from dataclasses import replace

import numpy as np

from ..errors import DataError, HpcpcaError, on_all_ranks
from ..partition import NO_ROWS, count_rows
from ..sources.rows import blocks_of_shard
from .centring import exponent_of, work_type
from .cost import (
    LARGEST_PIECE,
    SWEEPS,
    Plan,
    algebra_seconds,
    convert_seconds,
    pass_seconds,
    read_seconds,
    scratch,
    share_bytes,
)
from .kind import register
from .operator import Operator
from .products import ROUNDING, PanelSum, about_the_mean, panel_product
from .sample import Sample
from .sampling import sampled_centring
from .unfinished import Unfinished, all_finished

READINGS = 3  # of all data until shift and scale fit them
SAMPLE_SHARE, SAMPLE_ROWS = 0.05, 512  # of all rows; at least


class Streamed(Operator):
    """What operators on rows in the files share: a pass that can be stopped, and taken up.

    ``_blocks(done)`` yields the blocks of this rank without the rows ``done``.
    """

    def over(self, exchange):
        """As in ``Operator``. The pass that a run was stopped in stays with all ranks."""
        made = super().over(exchange)
        made.unfinished = None
        return made

    def _one_pass(self, panel, width, tiles_of, keep, *, earlier=None, sums=None, may_stop=True):
        """Return this rank's rows (own, width) of the images of its group's ``panel``: a
        (panel, offsets), summed over ``tiles_of(block)`` for all blocks that are not in the
        ``earlier`` part, and that part. On a first pass ``sums`` (2, d) is added to.

        Raises Interrupted, with what ``keep(own, rows)`` makes of the finished rows, on all ranks
        within a piece of a request to stop. Collective.
        """
        (panel, offsets), done = panel, earlier.rows if earlier else NO_ROWS
        total = PanelSum(self._team, panel, with_sums=sums is not None)
        finished, exchange = [], self._exchange
        with exchange.agreed():
            for block in self._blocks(done):
                with self._counters.time("apply"):
                    total.add(tiles_of(block))
                if sums is not None and not np.isfinite(total.sums()).all():
                    self._source.check_finite(block)
                finished.append((block.first, block.stop))
            partial = total.images()
            if partial is None:
                partial = np.zeros((len(panel), width))
            if sums is not None:
                sums += total.sums()
            elif not np.isfinite(partial.sum()):
                self._refuse(panel, tiles_of)
        own = exchange.reduce_to_owners(partial, offsets)
        if earlier:
            own += earlier.sums
        exchange.interrupt.stop_if(
            may_stop and exchange.interrupt.requested(),
            lambda: self._unfinished_pass(finished, earlier, lambda rows: keep(own, rows)),
        )
        self._count(1 - count_rows(done) / self._source.n)
        return own

    def _unfinished_pass(self, finished, earlier, keep):
        """What ``keep(rows)`` makes of the finished part of this pass. Collective.

        Several groups keep the ``earlier`` part only: each reads all rows for its own columns, and
        they need not have come equally far.
        """
        rows, new = all_finished(self._exchange.gather_objects(finished), earlier)
        self._count(new / self._source.n)
        return earlier if self._exchange.grid.groups > 1 else keep(rows)

    def _count(self, share):
        self._counters.passes += share
        self._counters.reads += share

    def _earlier_part(self, own, offsets):
        """What an earlier run has finished of this pass, or None: it is of this pass if ``own`` are
        this rank's rows of its panel. Collective if there is one.
        """
        earlier = self.unfinished
        if earlier is None:
            return None
        earlier.share_out(offsets, self._exchange)
        if self._exchange.maximum(not earlier.belongs_to(own)):
            return None
        self.unfinished = None
        return earlier

    def _refuse(self, panel, tiles_of):
        """Raise an error that names the rows whose images are not finite. On a first pass they
        were, or it was done again.
        """
        for block in self._blocks(NO_ROWS):
            self._source.check_finite(block)
            if not np.isfinite(panel_product(self._team, tiles_of(block), panel)).all():
                raise HpcpcaError(
                    f"rows {block.first} to {block.stop - 1} of all give images that are not"
                    " finite; the data's range is too large even after scaling: rescale the data,"
                    " or report this"
                )
        raise HpcpcaError(
            "images are not finite, though those of each block of rows are: rescale the data, or"
            " report this"
        )


class StreamingCovariance(Streamed):
    """The same Σ as ``InMemoryCovariance``; every pass reads the files once.

    ``blocks(done)`` yields the blocks of this rank without the rows ``done``. Mean, variance and
    the check for NaN are part of the first pass, which is repeated if its shift or scale turn out
    wrong.

    ``draw(is_double)`` gives the first centring, this rank's rows (s, d) of a sample with what
    they are multiplied by, and the sample's share of all rows. The operator keeps these rows until
    it is applied first. A resumed run gives the ``known`` centring instead, and the ``unfinished``
    pass that it was stopped in.
    """

    def __init__(self, resources, blocks, draw, is_double, *, known=None, unfinished=None):
        self._blocks, self._source, self._exchange = blocks, resources.source, resources.exchange
        self._counters, self._team = resources.counters, resources.team
        self.is_double, self.unfinished, self._sample = is_double, unfinished, None
        self._draw = draw
        self.n = self.mean = self.total_variance = None
        self._is_measured = False  # mean and variance, in the precision at hand
        if known is None:
            known, *self._sample = draw(is_double)
            self.centring, self.d, self.exponent = known, len(known.shift), 2 * known.exponent
        else:
            self._take(known)

    def to_double(self):
        """Continue in float64. Images must be computed again, and with them the mean: its error in
        single precision would be one of every image.
        """
        self._source.be_exact()
        self.centring = replace(self.centring.in_double(), count=0, squares=None)
        self.is_double, self._is_measured = True, False

    @property
    def rounding(self):
        """Error of the images relative to λ_0."""
        return ROUNDING[self.is_double]

    def sampled(self, numbers=None, share=None):
        """Return Σ of the rows sampled for the shift, whatever is asked for, and let go of them:
        the operator of a resumed run draws them again. Collective.
        """
        (rows, roots), share = self._sample or self._draw(self.is_double)[1:]
        self._sample = None
        tiles = self.centring.tiles(rows, roots=roots)
        parts = {"exchange": self._exchange, "counters": self._counters, "team": self._team}
        return Sample(tiles, len(rows), share, self, **parts)

    def apply(self, panel, offsets):
        """Return the images (own, d) of this rank's columns; ``panel`` (c, d) holds its group's,
        ``offsets`` says who owns which of all.

        Collective.
        """
        self._sample = None
        measure = self._pass if self._is_measured else self._first_pass
        images = measure(panel, offsets)
        return about_the_mean(images, self._exchange.own_rows(panel, offsets), self.centring)

    def _pass(self, panel, offsets, sums=None):
        """Sums of images about the shift over all rows; column sums and squares are added to
        ``sums`` (2, d). Collective.
        """
        exchange = self._exchange
        vectors = exchange.own_rows(panel, offsets)
        earlier = self._earlier_part(vectors, offsets)
        if earlier and sums is not None and exchange.rank == 0:
            sums += earlier.moments

        def centred(block):
            if sums is not None and self._source.marks_missing:
                self._source.check_finite(block)
            return self.centring.tiles(block.rows, roots=self._source.roots_of(block))

        def keep(own, rows):
            moments = None if sums is None else exchange.sum(sums)
            return Unfinished(vectors.copy(), own, rows, moments, self.centring, offsets=offsets)

        asked = (panel, offsets), self.d, centred, keep
        return self._one_pass(*asked, earlier=earlier, sums=sums)

    def _first_pass(self, panel, offsets):
        for _ in range(READINGS):
            sums = np.zeros((2, self.d))
            images = self._pass(panel, offsets, sums)
            mine = self._exchange.group_number == 0  # each group holds all rows: count them once
            joint = self._exchange.sum(sums * mine)
            is_lost = self._exchange.maximum(not np.isfinite(images).all())
            if is_lost or not np.isfinite(joint).all():
                exponent = exponent_of(self._largest(), self.centring.work)
                self.centring = replace(self.centring, exponent=exponent)
                continue
            measured = self.centring.measured_by_sums(self._source.n, *joint)
            measured.check_variance()
            if not measured.is_off():
                self._take(measured)
                return images
            self.centring = measured.at_the_mean()
        raise on_all_ranks(
            DataError(
                "the data's range is too large to centre and scale in three readings; rescale the"
                " data"
            )
        )

    def _largest(self):
        """max |value| of all rows: a reading. Collective."""
        largest = 0.0
        with self._exchange.agreed():
            for block in self._blocks(NO_ROWS):
                largest = max(largest, self._source.check_finite(block))
        self._counters.reads += 1
        return self._exchange.maximum(largest)

    def _take(self, centring):
        self.centring, self.d, self.exponent = centring, len(centring.shift), 2 * centring.exponent
        # else all that is known are shift and scale of the pass that was stopped
        if centring.count == self._source.n:
            self._is_measured = True
            self.n, self.mean, self.total_variance = (
                centring.count,
                centring.mean,
                centring.total_variance,
            )


def load(resources, is_double, plan, resumed):
    """Return the ``StreamingCovariance`` of the rows: every rank of a group reads its shard in
    every pass. Collective.

    ``resumed`` is what a run that was stopped knew: centring, and the pass that it was stopped
    in.
    """
    resources.source.copy_rows()
    return by_passes(StreamingCovariance, resources, is_double, plan, resumed)


def by_passes(kind, resources, is_double, plan, resumed):
    """Return the operator of a ``kind``, as ``load`` has it."""
    source, exchange, counters = resources.source, resources.exchange, resources.counters
    shards, shard = exchange.grid.shards, exchange.shard
    known, unfinished = resumed.unfinished_pass(is_double)
    is_double = is_double or (known is not None and resumed.is_double)
    if is_double:
        source.be_exact()

    def draw(is_double):
        work = work_type(source.dtype, is_double)
        place = shards, shard
        centring, (rows, runs, _) = sampled_centring(resources, work, place, plan.sample_rows)
        counters.reads += centring.count / source.n
        return centring, (rows, source.roots_of_runs(runs)), centring.count / source.n

    def blocks(done):
        return blocks_of_shard(
            source,
            (shards, shard),
            plan.piece_bytes,
            counters,
            done=done,
            halt=exchange.interrupt.requested,
        )

    return kind(resources, blocks, draw, is_double, known=known, unfinished=unfinished)


def cost(job, most_sampled=math.inf):
    """Return the ``Plan`` of a job that reads its rows every pass, sampling at most
    ``most_sampled`` of them first.
    """
    shards, passes = job.shards or job.ranks, job.passes
    piece = max(
        job.chunk_bytes,
        job.row_bytes,
        min(LARGEST_PIECE, share_bytes(job, shards), job.memory // (8 * job.ranks_on_node)),
    )
    most = job.memory // 4 // (job.row_bytes * job.ranks_on_node // shards + 1)
    wanted = job.sampled or max(SAMPLE_SHARE * job.n, 4 * job.panel, SAMPLE_ROWS)
    sample = int(max(1, min(most, most_sampled, wanted, job.n)))
    held = job.ranks_on_node * (2 * piece + 2 * sample * job.row_bytes // shards) + scratch(
        job, shards
    )
    groups = job.ranks // shards  # every one reads and converts all rows
    converting, reading = (groups * seconds(job) for seconds in (convert_seconds, read_seconds))
    # the reader takes time from whom it shares a core with
    copying = groups * job.n * job.row_bytes / (job.rates.copy * job.cores)
    each = max(pass_seconds(job) + copying, reading)
    seconds = passes * each + SWEEPS * converting + algebra_seconds(job)
    return Plan(
        "streaming",
        shards,
        held,
        seconds,
        (passes + 1) * job.n * job.d // shards,
        piece_bytes=piece,
        sample_rows=sample,
        reads=groups * passes,
    )


register("streaming", load, cost, samples="reads")
