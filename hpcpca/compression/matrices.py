"""Matrices that are sent in part, with error feedback: what was not sent is kept for later."""

from dataclasses import dataclass

import numpy as np

from ..comm.messages import is_finite
from ..errors import UsageError
from ..kernels import low_rank
from .compressor import Compressor, at_least

FEEDBACK = ("aggregated", "local", None)
TILE_BYTES = 1 << 20  # of a matrix at a time where BLAS does the products


class Delta:
    """What a worker has to send of one tensor: its gradient G and what it owes of earlier steps,
    E, a matrix G + E (n, m) that is never stored.

    Sets of vectors are rows: ``right`` and ``left`` take and return (r, m) and (r, n).
    """

    def __init__(self, name, form, array, owed):
        """``owed`` (n, m), or None if what is not sent is lost."""
        self.name, self.form, self.keeps = name, form, owed is not None
        self.n, self.m = form.matrix
        self.gradient = np.ascontiguousarray(array, form.work).reshape(self.n, self.m)
        self.owed = owed if self.keeps else np.empty((0, 0), form.work)

    def right(self, q):
        """Return q·(G + E)ᵀ (r, n) for q (r, m)."""
        p = np.empty((len(q), self.n), q.dtype)
        if len(q) <= low_rank.WIDEST:
            low_rank.right_product(self.gradient, self.owed, q, p)
        else:
            for rows, tile in self._tiles():
                np.matmul(q, tile.T, out=p[:, rows])
        return p

    def left(self, p):
        """Return p·(G + E) (r, m) for p (r, n)."""
        q = np.zeros((len(p), self.m), p.dtype)
        if len(p) <= low_rank.WIDEST:
            low_rank.left_product(self.gradient, self.owed, p, q)
        else:
            for rows, tile in self._tiles():
                q += p[:, rows] @ tile
        return q

    def _tiles(self):
        """Yield (slice of rows, those rows of G + E); read only."""
        step = max(1, TILE_BYTES // (self.m * self.gradient.itemsize))
        for start in range(0, self.n, step):
            rows = slice(start, min(self.n, start + step))
            yield rows, self.gradient[rows] + self.owed[rows] if self.keeps else self.gradient[rows]

    def owed_norm(self):
        """Return ‖E‖."""
        rows = range(0, len(self.owed), max(1, TILE_BYTES // (self.m * self.owed.itemsize)))
        tiles = (self.owed[start : start + rows.step] for start in rows)
        return float(np.sqrt(sum(np.square(tile, dtype=np.float64).sum() for tile in tiles)))

    def whole(self):
        """Return G + E (n, m); read only."""
        return self.gradient + self.owed if self.keeps else self.gradient


@dataclass
class Factors:
    """A mean of low rank, pᵀq for p (r, n) and q (r, m)."""

    p: np.ndarray
    q: np.ndarray
    own: np.ndarray | None = None  # (r, m), where only pᵀown counts as sent by this worker

    def settle(self, delta, out):
        """Write the mean to ``out``, of the tensor's shape, and keep what was not sent."""
        target = _matrix(delta, out)
        if delta.keeps:
            own = self.q[:0] if self.own is None else self.own
            low_rank.settle(delta.gradient, delta.owed, self.p, self.q, own, target)
        else:
            low_rank.expand(self.p, self.q, target)
        _hand_out(delta, target, out)


@dataclass
class Entries:
    """A mean as a matrix (n, m)."""

    mean: np.ndarray
    own: np.ndarray | None = None  # (n, m), where only this counts as sent by this worker

    def settle(self, delta, out):
        """As ``Factors.settle``."""
        if delta.keeps:
            np.add(delta.gradient, delta.owed, out=delta.owed)
            np.subtract(delta.owed, self.mean if self.own is None else self.own, out=delta.owed)
        target = _matrix(delta, out)
        target[...] = self.mean
        _hand_out(delta, target, out)


def _matrix(delta, out):
    """``out`` as a matrix if it is contiguous and of the type of the work; else a new matrix."""
    if out.dtype == delta.form.work and out.flags.c_contiguous:
        return out.reshape(delta.n, delta.m)
    return np.empty((delta.n, delta.m), delta.form.work)


def _hand_out(delta, mean, out):
    """Write the mean to ``out`` if it is not there; what a narrower type loses of it is owed."""
    if mean.base is out or mean is out:
        return
    if out.dtype == mean.dtype:
        out[...] = mean.reshape(out.shape)
        return
    most = float(np.finfo(out.dtype).max) if out.dtype.kind == "f" else np.inf
    rounded = np.clip(mean, -most, most).astype(out.dtype)
    out[...] = rounded.reshape(out.shape)
    if delta.keeps and out.dtype.itemsize < mean.dtype.itemsize:
        delta.owed += mean - rounded.astype(mean.dtype)


class MatrixCompressor(Compressor):
    """A compressor of matrices n×m, the first dimension of a tensor by all others, each sent
    through about (n + m)·r numbers, with error feedback.
    """

    def __init__(self, comm, rank=2, *, feedback="aggregated", start=0, least=1.0, seed=0):
        """Collective.

        ``feedback``: what counts as sent, and is not kept for the next step: the mean that all
        workers get ("aggregated"), this worker's part of it ("local"), or everything (None: what is
        not sent is lost). ``start``: so many first steps are sent whole. ``least``: the least
        compression; a matrix with (n + m)·r·least > n·m is sent whole. With 0 none is.
        """
        if feedback not in FEEDBACK:
            raise UsageError(f"feedback = {feedback!r}: give 'aggregated', 'local' or None")
        if not least >= 0:
            raise UsageError(f"least = {least}: give a number, at least 0")
        super().__init__(comm, rank, seed)
        self.feedback, self.start, self.least = feedback, at_least(0, "start", start), least
        self._owed = {}

    def _rank_of(self, form):
        return min(self.rank, *form.matrix)

    def _part_of(self, name, value):
        form = self._forms[name]
        if form.matrix is None or self.step < self.start:
            return None
        n, m = form.matrix
        if (n + m) * self._rank_of(form) * self.least > n * m:
            return None
        owed = None
        if self.feedback is not None:
            owed = self._owed.get(name)
            if owed is None or owed.dtype != form.work:
                owed = np.zeros((n, m)) if owed is None else owed
                owed = self._owed[name] = owed.astype(form.work)
        return Delta(name, form, value, owed)

    def _whole(self, name, value):
        value = super()._whole(name, value)
        owed = self._owed.get(name)
        return value if owed is None else value + owed.reshape(value.shape)

    def _held(self):
        return [(name, k, owed.shape[k]) for name, owed in self._owed.items() for k in (0, 1)]

    def _keep(self, parts, sent, whole):
        for name in whole:
            self._owed.pop(name, None)

    def _products(self, product, deltas, vectors):
        """Return ``product`` (Delta.right or Delta.left) of each matrix with its vectors."""
        with self.tally.part("products"):
            return [product(delta, rows) for delta, rows in zip(deltas, vectors)]

    def _sums(self, deltas):
        """Return G + E of each of ``deltas``, for schemes that look at every entry; read only."""
        sums = [delta.whole() for delta in deltas]
        self._refuse_unless(all(map(is_finite, sums)))
        return sums

    def _local(self, own):
        """``own`` if that counts as sent by this worker, else None."""
        return own if self.feedback == "local" else None

    def state(self):
        """As of ``Compressor``, and what is owed."""
        return super().state() | {f"owed/{name}": owed for name, owed in self._owed.items()}

    def restore(self, state):
        """As of ``Compressor``."""
        super().restore(state)
        self._owed = taken_from(state, "owed/")


def taken_from(state, prefix):
    """Return {name: copy of the array} of those in ``state`` whose names begin with ``prefix``."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in state.items()
        if name.startswith(prefix)
    }
