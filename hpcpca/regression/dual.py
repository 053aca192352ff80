"""S by the products of rows with one another, where inputs are more than rows: ỸᵀK(K + ρI)⁻¹Ỹ
with K = X̃X̃ᵀ (n, n).
"""

from dataclasses import replace

import numpy as np

from ..kernels.tiles import Tiles
from ..operators.cost import Plan, algebra_seconds, convert_seconds
from ..operators.gram import sum_by_slabs
from ..operators.in_memory import held_rows
from ..partition import span
from ..sources.rows import shard_rows
from .base import FittedValues, Found, metric_of, norm, scaled_ridge
from .in_memory import HeldReading
from .job import EIGH_FLOPS
from .tiles import STRIP, NoProducts
from .whitening import EPSILON, best_of_ridges

FEWEST_COLUMNS = 256  # of a slab, for each rank: fewer are slow to multiply


class DualFitted(FittedValues):
    """M (r, q) with MᵀM = S, and K's eigenvectors U (n, r), once per node; a rank's shard of X is
    held for the inputs' side, a = X̃ᵀ(K + ρI)⁻¹Ỹb.

    U is orthogonal to the vector of ones, if rows are centred: shifts of X and Y do not matter.
    """

    def __init__(self, reading, metric, is_double):
        self._reading, resources = reading, reading.resources
        self._source = resources.source
        super().__init__(metric, is_double, resources.exchange, resources.counters)
        self._basis = self._left = None
        self._take(is_double)

    def to_double(self):
        """Continue in float64: read again. Images must be computed again. Collective."""
        self.is_double = True
        self._take(True)

    def _take(self, is_double):
        exchange, reading, pairs = self._exchange, self._reading, None
        sums = reading.sums(is_double)
        self._x, y = reading.tiles(reading.resources.team)
        self._offsets = self._rows_of_ranks()
        gram = self._gram(sums)
        with exchange.agreed():
            if exchange.rank == 0:
                pairs = _kept(gram, sums.rounding)
        del gram
        count = int(exchange.maximum(0 if pairs is None else len(pairs[0])))
        values = exchange.from_root(lambda: [pairs[0]], count)[0]
        vectors = None if pairs is None else pairs[1]
        self._basis = self._on_nodes(vectors, (sums.n, count), self._basis)
        if self._left is not None:
            exchange.release(self._left)
        self._left = exchange.panel(count, len(sums.y))
        self._project(y, sums.divisor)
        exchange.release(reading.held.pop())  # Y is not needed any more
        self._weigh(sums, values)

    def _rows_of_ranks(self):
        """Which of all rows each rank publishes, (ranks + 1): those of its shard, in the first
        group; all groups have the same.
        """
        grid = self._exchange.grid
        counts = [shard_rows(self._source, grid.shards, shard) for shard in range(grid.shards)]
        counts += [0] * (grid.ranks - grid.shards)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @property
    def _rows(self):
        """Where this rank's shard lies among all rows."""
        shard = self._exchange.shard
        return slice(int(self._offsets[shard]), int(self._offsets[shard + 1]))

    def _gram(self, sums):
        """K over n − 1 (n, n), on the root: every rank multiplies some columns of every slab of
        X, which all publish their rows of. Collective.
        """
        exchange, n, d = self._exchange, sums.n, len(sums.x)
        width = _slab_width(n, d, exchange.size)
        total, panel = np.zeros((n, n)), exchange.panel(n, width)
        mine = slice(*span(width, exchange.size, exchange.rank))
        for start in range(0, d, width):
            exchange.publish(self._slab(start, width), panel, self._offsets)
            with self._counters.time("apply"):
                part = panel.array[:, mine]
                total += part @ part.T  # the same array on both sides: numpy calls SYRK
            panel.fence()  # all have read it
            exchange.interrupt.stop_if(exchange.interrupt.requested())
        exchange.release(panel)
        whole = np.empty((n, n)) if exchange.rank == 0 else None
        sum_by_slabs(total, whole, exchange.sum)
        if whole is not None:
            if sums.divisor != n:
                means = whole.mean(axis=0)
                whole -= means
                whole -= (means - means.mean())[:, None]
            whole /= sums.divisor
        return whole

    def _slab(self, start, width):
        """Deviations of the rows that this rank publishes, from column ``start`` on: (r, width)
        float64, zeros past the last column.
        """
        if self._exchange.group_number:
            return np.zeros((0, width))
        part = _columns(self._x, start, width)
        return np.pad(part, ((0, 0), (0, width - part.shape[1])))

    def _project(self, y, divisor):
        """Put UᵀỸ, over √(n − 1), into ``_left``. Collective."""
        exchange, left = self._exchange, self._left
        mine = self._basis.array[self._rows] / np.sqrt(divisor)
        width = max(1, STRIP // (8 * max(1, len(left.array))))
        for start in range(0, left.array.shape[1], width):
            strip = left.array[:, start : start + width]
            partial = np.zeros(strip.shape)
            if not exchange.group_number:
                partial += mine.T @ _columns(y, start, width)
            exchange.sum(partial)
            if left.node.rank == 0:
                strip[:] = partial
        left.fence()

    def _weigh(self, sums, values):
        """Make M of ``_left``, and find the ridge on the way. Collective."""
        exchange, metric, left = self._exchange, self._metric, self._left
        along, ridge, is_least = left.array, 0.0, False
        if metric.ridge == "auto":
            known = values, (along**2).sum(axis=1), float(sums.y.variances.sum()), sums.divisor
            found = exchange.from_root(lambda: [np.array(best_of_ridges(*known), dtype=float)], 2)
            ridge, is_least = found[0].tolist()
        elif metric.inputs:
            ridge = scaled_ridge(sums, metric)
        shrunk = values + ridge if metric.inputs else np.ones(len(values))
        roots = np.sqrt(values / shrunk)
        found = None
        if exchange.rank == 0:
            found = replace(_found(sums, values, ridge, along, metric), is_least_ridge=is_least)
        left.fence()
        if left.node.rank == 0:
            left.array *= roots[:, None]
        left.fence()
        self._weights = 1 / (shrunk * roots * np.sqrt(sums.divisor))
        self._know(sums, found)

    def apply(self, panel, offsets):
        """Return the images (own, q) of this rank's vectors; ``panel`` (c, q) holds its group's,
        ``offsets`` says who owns which of all.
        """
        own, left = self._exchange.own_rows(panel, offsets), self._left.array
        with self._counters.time("apply"):
            return (own @ left.T) @ left

    def _coefficients_of(self, vectors, offsets, may_stop):
        of_rows = ((vectors @ self._left.array.T) * self._weights) @ self._basis.array.T
        panel, tiles = self._exchange.gather_in_group(of_rows, offsets)[:, self._rows], self._x
        partial, buffer = np.zeros((len(panel), self.inputs)), tiles.buffer()
        with self._counters.time("apply"):
            for number in range(len(tiles)):
                rows = tiles.tile(number, buffer)
                partial += panel[:, number * tiles.step :][:, : len(rows)] @ rows
        return self._exchange.reduce_to_owners(partial, offsets)


def _slab_width(n, d, ranks):
    """Columns of X that are multiplied at a time."""
    return int(min(d, max(STRIP // (8 * n), ranks * FEWEST_COLUMNS)))


def _columns(tiles, start, width):
    """Deviations of all rows of ``tiles`` from column ``start`` on: (r, width at most)."""
    columns = slice(start, start + width)
    shift = None if tiles.shift is None else tiles.shift[columns]
    about = shift, tiles.scale, tiles.dtype, tiles.kernels
    part = Tiles(np.ascontiguousarray(tiles.rows[:, columns]), *about)
    part.step = max(1, len(part.rows))
    return part.tile(0, part.buffer())


def _kept(gram, rounding):
    """Eigenvalues (r) and eigenvectors (n, r) of K that are not nothing."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], 0.0) * len(values) * max(EPSILON, rounding)
    return values[kept], vectors[:, kept]


def _found(sums, values, ridge, along, metric):
    """What the root finds, from UᵀỸ ``along`` U.

    Errors of K change S by (K + ρI)⁻¹Ỹ on both sides, times ρ; and without a ridge what belongs to
    its range; errors of Ỹ change it by ỸᵀM.
    """
    inputs = len(sums.x)
    shrunk = values + ridge if metric.inputs else np.ones(len(values))
    size = max(norm(along * np.sqrt(values / shrunk)[:, None]), np.finfo(float).tiny)
    gain, of_y = norm(along / shrunk[:, None]), float(np.sqrt(sums.y.variances.sum()))
    if metric.inputs:
        of_gram = values[-1] * gain * (ridge * gain + (2 * of_y if not ridge else 0.0))
        of_both = 2 * of_y / size
    else:
        of_gram, of_both = values[-1] * of_y**2, 2 * of_y * np.sqrt(values[-1]) / size
    least = ridge + (values[0] if len(values) == inputs or not ridge else 0.0)
    condition = (values[-1] + ridge) / least if metric.inputs else 1.0
    rounding = sums.rounding * (of_gram / size**2 + of_both)
    rank = len(values) if metric.inputs and not ridge else inputs
    return Found(rank, float(condition), ridge, float(rounding))


def load(resources, settings, plan, resumed):
    """Return the ``DualFitted`` of the rows, which one rank of each node reads a shard of.
    Collective; nothing ``resumed`` is of use.
    """
    how = {"is_centred": not settings.no_centre, "products": NoProducts()}
    reading = HeldReading(resources, **how)
    return DualFitted(reading, metric_of(settings), settings.starts_in_double)


def lacks(settings):
    """What the dual cannot do of what is asked for, in words, or None."""
    if settings.whiten == "both":
        return "--whiten both takes the targets' own covariance, which only gram holds"
    return None


def suits(settings):
    """Whether all directions of X count as they are: without a ridge the smallest are left out,
    whatever their units, and fits of as many inputs as rows go through every row.
    """
    return settings.whiten == "none" or settings.rho() != 0


def cost(job):
    """Return the ``Plan`` of a job that holds K's eigenvectors and M."""
    shards, n, d, q, rates = job.shards or job.ranks, job.n, job.inputs, job.d, job.rates
    rows, matrix = held_rows(job, shards), 8 * n * n
    slab = 8 * n * _slab_width(n, d, job.ranks)
    each = matrix + min(STRIP, 8 * n * q) + 8 * job.panel * (n + d)
    # panels and parts of slabs; on the root, K and what its eigenvectors take
    held = rows + 2 * slab + matrix + 8 * n * q + 4 * matrix + job.ranks_on_node * each
    flops = n * n * d + 2 * n * n * q + 4 * n * q * job.panel * job.passes
    alone = EIGH_FLOPS * n**3 / 4 / (rates.large8 * job.threads)
    first = rows / rates.read + rows / rates.touch + 2 * convert_seconds(job.joined)
    seconds = first + flops / (rates.large8 * job.cores) + alone + algebra_seconds(job)
    return Plan("dual", shards, held, seconds, 3 * n * (d + q) // shards)
