"""S applied by passes over the rows: T = X̃ᵀ(Ỹb), then Ỹᵀ(X̃C⁻¹T). Of the sums, C is held."""

from collections import namedtuple

import numpy as np

from ..operators.cost import LARGEST_PIECE, SWEEPS, convert_seconds, scratch, share_bytes
from .base import FittedValues, Found, whitened
from .job import EIGH_FLOPS
from .tiles import SKETCHED, STRIP, NoProducts, Sketch

# of a half of an application: vectors of one side become vectors of the other
Half = namedtuple("Half", ["own", "solved", "earlier"], defaults=[None])


def products_of(metric, q, seed):
    """What is summed beside the columns' moments: C and a sketch of D, if C whitens."""
    return Sketch(q, seed) if metric.inputs else NoProducts()


class FittedByRows(FittedValues):
    """C's factor (d, r) once per node; the rows as a subclass has them.

    A subclass has ``_read(is_double)`` → (its Sums, the centrings of X and Y), and ``_sum(panel,
    offsets, to_targets, half, may_stop)``, which sums this rank's rows of Σ B(Aᵀv) over all rows.
    """

    def __init__(self, metric, is_double, exchange, counters):
        super().__init__(metric, is_double, exchange, counters)
        self._factor = self._least = None
        self._take(*self._read(is_double))

    def _take(self, sums, centrings):
        self._centrings, exchange, found = centrings, self._exchange, None
        factor = least = None
        with exchange.agreed():
            if exchange.rank == 0:
                found, factor, least = self._solved(sums)
        self._know(sums, found)
        if self._metric.inputs:
            shape = self.inputs, self.rank
            self._factor = self._on_nodes(factor, shape, self._factor)
            self._least = self._on_nodes(least, shape, self._least)

    def _solved(self, sums):
        """What the root finds: ``Found``, and two factors of C⁻¹ (d, r): the second gives the
        smallest coefficients.
        """
        if not self._metric.inputs:
            return Found(len(sums.x), 1.0, 0.0, 2 * sums.rounding), None, None
        deviation = float(np.sqrt(sums.y.variances.max()))
        whitening, _, _, found = whitened(sums, self._metric, sums.cxy, deviation)
        return found, whitening.factor, whitening.least(whitening.factor)

    def to_double(self):
        """Continue in float64: read again. Images must be computed again. Collective."""
        self.is_double = True
        self._take(*self._read(True))

    def apply(self, panel, offsets):
        """Return the images (own, q) of this rank's vectors; ``panel`` (c, q) holds its group's,
        ``offsets`` says who owns which of all.

        Collective.
        """
        own = self._exchange.own_rows(panel, offsets)
        earlier = self._earlier_part(own, offsets)
        solved = earlier and earlier.solved
        if solved is None:
            images = self._across(panel, offsets, False, Half(own, None, earlier))
            solved = self._solve(images, self._factor)
            earlier = None
        whole = self._exchange.gather_in_group(solved, offsets)
        return self._across(whole, offsets, True, Half(own, solved, earlier))

    def _earlier_part(self, own, offsets):
        """What an earlier run has finished of this application."""
        return None

    def _across(self, panel, offsets, to_targets, half, may_stop=True):
        """Ỹᵀ(X̃v), or X̃ᵀ(Ỹv), over n − 1 for this rank's rows of a panel. Collective."""
        images = self._sum(panel, offsets, to_targets, half, may_stop)
        if self.divisor != self.n:  # about the means
            of, to = self._centrings if to_targets else reversed(self._centrings)
            own = self._exchange.own_rows(panel, offsets)
            images -= np.outer(self.n * (own @ of.offset), to.offset)
        images /= self.divisor
        return images

    def _solve(self, images, factor):
        """C⁻¹T for T (own, d), by the first factor and another. An image of S takes the same one:
        S is symmetric also if what the smallest coefficients lack is not quite nothing to X̃.
        """
        if not self._metric.inputs:
            return images
        with self._counters.time("apply"):
            return (images @ self._factor.array) @ factor.array.T

    def _coefficients_of(self, vectors, offsets, may_stop):
        panel = self._exchange.gather_in_group(vectors, offsets)
        return self._solve(self._across(panel, offsets, False, None, may_stop), self._least)


def lacks(settings):
    """What operators on rows cannot do of what is asked for, in words, or None."""
    if settings.whiten == "both":
        return "--whiten both takes the targets' own covariance, which only gram holds"
    if settings.ridge == "auto":
        return "--ridge auto takes all products of inputs and targets, which gram holds (or dual)"
    return None


def held_bytes(job, shards):
    """Of memory per node beside the rows: C and what is made of it, and what passes need."""
    d, on_node = job.inputs, job.ranks_on_node
    sums = 8 * d * (d + SKETCHED) * job.with_inputs
    factors, solving = 2 * sums, 4 * sums
    pieces = 2 * max(min(LARGEST_PIECE, share_bytes(job, job.ranks)), job.chunk_bytes)
    made = 8 * SKETCHED * job.d + min(STRIP, sums)
    return factors + solving + on_node * (sums + made + pieces) + 2 * scratch(job.joined, shards)


def build_seconds(job):
    """Seconds of computing until S can be applied."""
    d, rates = job.inputs, job.rates
    whole = SWEEPS * convert_seconds(job.joined)
    if not job.with_inputs:
        return whole
    flops = job.n * (d * d + 2 * (d + job.d) * SKETCHED)
    alone = EIGH_FLOPS * d**3 / 4 / (rates.large8 * job.threads)
    return whole + alone + flops / (rates.large(job.work.itemsize) * job.cores)
