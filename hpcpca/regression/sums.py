"""The sums over all rows that a regression needs, taken in one read: C, D and, for canonical
correlations, E.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError, on_all_ranks
from ..operators.centring import Centring, exponent_of, is_whole, shift_type, work_type
from ..operators.gram import read_covariance, sum_by_slabs
from ..operators.gram_build import SAMPLE_BYTES, SAMPLE_ROWS
from ..operators.sampling import sampled_centring
from ..operators.unfinished import all_finished
from ..partition import NO_ROWS, count_rows
from ..sources.rows import load_shard, read_ahead
from .tiles import PairedTiles

READINGS = 3  # of all rows until shifts and scales fit them
# errors of entries of the sums over what these could be at most: ten roundings of one number
ROUNDING = {True: 10 * 2.0**-53, False: 10 * 2.0**-24}


@dataclass(frozen=True)
class Side:
    """What is known of the columns of X, or of Y; the values are scaled by 2**−exponent."""

    exponent: int
    variances: np.ndarray  # (d), scaled
    mean: np.ndarray | None  # (d) in the data's own units; None if only a covariance is known

    def __len__(self):
        return len(self.variances)


@dataclass(frozen=True)
class Sums:
    """What all rows add up to, divided by ``divisor``, of X and Y as their ``Side`` says.

    The matrices are None but on the root.
    """

    cxx: np.ndarray | None  # (d, d) C, without the ridge
    cxy: np.ndarray | None  # (d, q) D, or (d, s) D·Ω
    cyy: np.ndarray | None  # (q, q) E, if it was asked for
    x: Side
    y: Side
    n: int | None  # rows
    divisor: int  # n − 1; n if rows are not centred, 1 if their covariance was given
    rounding: float  # error of an entry relative to what it could be at most


@dataclass
class Unfinished:
    """Sums over some of the rows, of a run that was stopped; they are on the root.

    ``rows`` (r, 2) are those rows; ``total`` is as ``Products`` has it, ``moments`` (2, d + q).
    """

    total: np.ndarray
    rows: np.ndarray
    moments: np.ndarray
    x: Centring
    y: Centring

    panel = None  # no vectors: the sums come before them

    @property
    def count(self):
        """Number of rows."""
        return count_rows(self.rows)


class Reading:
    """Reads pairs of rows, once if shifts and scales from a sample fit all of them. Collective.

    ``is_centred`` is False if rows are taken as they are; ``products`` says what is summed. Rows
    that are ``left_out`` (r, 2) are not read. ``centrings``, of X and of Y, are measured by then.
    """

    def __init__(self, resources, *, is_centred, products, left_out=NO_ROWS):
        self.resources, self.is_centred, self.products = resources, is_centred, products
        self.source, self.exchange, self.left_out = resources.source, resources.exchange, left_out
        self.n, self.centrings = self.source.n - count_rows(left_out), None

    def sums(self, is_double, earlier=None, known=None):
        """Return the ``Sums`` of all rows; a resumed run has ``earlier`` some of them, or the
        ``known`` centrings of the pass that it was stopped in.
        """
        shape = self.products.shape(self.source.x.d, self.source.y.d)
        if earlier is not None and earlier.total.shape != shape:
            earlier = None  # of another operator
        if earlier is not None:
            known = earlier.x, earlier.y
        centrings = known or self._sampled(is_double)
        for _ in range(READINGS):
            found, centrings = self._one_read(centrings, earlier)
            earlier = None
            if found is not None:
                self.centrings = centrings
                return found
        raise on_all_ranks(
            DataError(
                "the data's range is too large to centre and scale in three readings; rescale the"
                " data"
            )
        )

    def _sampled(self, is_double):
        """Shift and scale of X and of Y from some of the rows; both are multiplied in one type."""
        source, exchange = self.source, self.exchange
        work = np.result_type(*(work_type(side.dtype, is_double) for side in (source.x, source.y)))
        place, found = (exchange.size, exchange.rank), []
        for side in (source.x, source.y):
            wanted = min(SAMPLE_ROWS, max(1, SAMPLE_BYTES // side.row_bytes))
            resources = replace(self.resources, source=side)
            centring, (_, _, largest) = sampled_centring(resources, work, place, wanted)
            if not self.is_centred:
                shift = np.zeros(side.d, shift_type(side.dtype, work))
                exponent = exponent_of(exchange.maximum(largest), work)
                kernels, whole = self.resources.kernels, is_whole(side.dtype)
                centring = Centring(shift, exponent, work, kernels, whole)
            found.append(centring)
        return tuple(found)

    def _one_read(self, centrings, earlier):
        """Read all rows; return their ``Sums``, or None, and the centrings that fit them better.

        What ``earlier`` holds is not read again. Raises Interrupted, with what is finished, on all
        ranks within a piece of a request to stop.
        """
        exchange, counters = self.exchange, self.resources.counters
        d, q = self.source.x.d, self.source.y.d
        total, moments = np.zeros(self.products.shape(d, q)), np.zeros((2, d + q))
        largest, finished = np.zeros(2), []
        done = earlier.rows if earlier else self.left_out
        if earlier and exchange.rank == 0:
            total += earlier.total
            moments += earlier.moments
        interrupt = exchange.interrupt
        tiles = PairedTiles(*centrings, self.products)
        with exchange.agreed():
            for block, most in self._blocks(done):
                largest = np.maximum(largest, most)
                with counters.time("apply"):
                    tiles.add(block.rows, total, moments)
                finished.append((block.first, block.stop))
        interrupt.stop_if(
            interrupt.requested(),
            lambda: self._unfinished(centrings, total, moments, finished, earlier),
        )
        self._count(1 - count_rows(done) / self.source.n)
        return self._finished(centrings, total, moments, largest)

    def _blocks(self, done):
        """Yield this rank's blocks without the rows ``done``, and max |value| of X's and Y's."""
        source, exchange = self.source, self.exchange
        places = source.pieces_left(done, exchange.size, exchange.rank)
        counters, halt = self.resources.counters, exchange.interrupt.requested
        for block in read_ahead(source, places, counters, halt):
            yield block, source.check_finite(block)

    def _count(self, share):
        self.resources.counters.reads += share
        self.resources.counters.passes += 1

    def _unfinished(self, centrings, total, moments, finished, earlier):
        """The sums so far, on the root. Collective."""
        exchange = self.exchange
        rows, new = all_finished(exchange.gather_objects(finished), earlier)
        self.resources.counters.reads += new / self.source.n
        whole = np.zeros(total.shape) if exchange.rank == 0 else None
        sum_by_slabs(total, whole, exchange.sum)
        return Unfinished(whole, rows, exchange.sum(moments), *centrings)

    def _finished(self, centrings, total, moments, largest):
        exchange, source = self.exchange, self.source
        n, d = self.n, source.x.d
        joint = exchange.sum(np.concatenate([moments, np.zeros((1, moments.shape[1]))]))
        diagonal = exchange.sum(np.diagonal(total).copy())
        if not (np.isfinite(joint).all() and np.isfinite(diagonal).all()):
            scales = (exponent_of(exchange.maximum(most), centrings[0].work) for most in largest)
            return None, tuple(
                replace(centring, exponent=scale) for centring, scale in zip(centrings, scales)
            )
        columns, squares = joint[:2]
        measured = tuple(
            self._measured(centring, n, columns[part], squares[part])
            for centring, part in zip(centrings, (slice(d), slice(d, None)))
        )
        for centring, what in zip(measured, ("inputs", "targets")):
            _check_variance(centring.squares, what)
        if self.is_centred and any(centring.is_off() for centring in measured):
            return None, tuple(centring.at_the_mean() for centring in measured)
        whole = np.empty(total.shape) if exchange.rank == 0 else None
        if total.size:
            sum_by_slabs(total, whole, exchange.sum)
        return self._divided(whole, measured, _rounding(diagonal, squares, centrings)), measured

    def _measured(self, centring, n, columns, squares):
        if self.is_centred:
            return centring.measured_by_sums(n, columns, squares)
        return replace(centring, offset=columns / n, count=n, squares=squares)

    def _divided(self, whole, measured, rounding):
        """The ``Sums`` about the means from those about the shifts."""
        n, d = self.n, self.source.x.d
        divisor = n - 1 if self.is_centred else n
        sides = (Side(each.exponent, each.squares / divisor, each.mean) for each in measured)
        if whole is not None:
            if self.is_centred:
                offsets = self.products.offsets(*(centring.offset for centring in measured))
                for row, offset in zip(whole, offsets):
                    row -= n * (offset * offsets)
            whole /= divisor
        return _parted(whole, d, (*sides, n, divisor, rounding))


def _parted(whole, d, known):
    """The ``Sums`` whose matrices are parts of ``whole`` (p, d + …), or None."""
    if whole is None:
        return Sums(None, None, None, *known)
    return Sums(whole[:d, :d], whole[:d, d:], whole[d:, d:] if len(whole) > d else None, *known)


class Given:
    """The covariance (d + q, d + q) of X's columns and Y's together, read by the root."""

    def __init__(self, resources, inputs):
        self.resources, self.inputs = resources, inputs

    def sums(self, is_double, earlier=None):
        """Return the ``Sums`` that the matrix is; nothing ``earlier`` is of use. Collective."""
        source, exchange, d = self.resources.source, self.resources.exchange, self.inputs
        self.resources.counters.reads += 1
        whole, exponent = None, 0
        with exchange.agreed():
            if exchange.rank == 0:
                rows, whole = source.buffer(source.d), np.empty((source.d, source.d))
                largest = load_shard(source, (1, 0), self.resources.counters, rows)
                exponent = 2 * (int(np.frexp(largest)[1]) // 2)  # that of values, twice
                read_covariance(rows, whole, exponent)
        found = exchange.from_root(lambda: [np.append(np.diag(whole), exponent)], source.d + 1)[0]
        half = int(found[-1]) // 2
        x, y = Side(half, found[:d], None), Side(half, found[d:-1], None)
        for side, what in ((x, "inputs"), (y, "targets")):
            _check_variance(side.variances, what)
        return _parted(whole, d, (x, y, None, 1, ROUNDING[True]))


def _check_variance(squares, what):
    if not squares.any():
        raise on_all_ranks(DataError(f"the {what} have zero variance: every row is the same"))


def _rounding(diagonal, squares, centrings):
    """Error of sums of products. In single precision it is judged by those on the ``diagonal``
    (p), which are known better: the sums of squares of the first p columns.
    """
    if centrings[0].work == np.float64:
        return ROUNDING[True]
    known = squares[: len(diagonal)]
    errors = np.abs(diagonal - known) / np.maximum(known, np.finfo(float).tiny)
    error = np.max(errors, initial=0.0)
    return float(max(ROUNDING[False], 2 * error))
