"""Subspace iteration with Rayleigh–Ritz on the means of many matrices at once: PowerSGD's step
(arXiv 1905.13727) with its two products in one reading, and guards.

For orthonormal right vectors V (b, m) of a mean M: P = M Vᵀ, and with it VᵀMᵀMV and MᵀMV, are sums
over rows. Rayleigh–Ritz makes of them right vectors v_k with σ_k² = ‖Mv_k‖², the factors
p_k = Mv_k/σ_k, which are orthonormal, and q_k = Mᵀp_k. So ‖M − Σ p_k q_kᵀ‖² = ‖M‖² − Σ‖q_k‖².
"""

from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np

from ..linalg.orth import orthonormal_rows
from ..rng import stream

EPSILON = np.finfo(np.float64).eps
# Squared errors below these are differences of sums of squares that rounding of the products blurs.
UNSURE = {np.dtype(np.float32): 0.1, np.dtype(np.float64): 1e-8}


@dataclass(frozen=True)
class Found:
    """What a round knows of a mean of norm ``norm``: r pairs, as rows."""

    norm: float
    p: np.ndarray  # (r, this worker's rows)
    q: np.ndarray  # (r, m)
    squares: np.ndarray  # (r) σ_k², falling
    residuals: np.ndarray  # (r) ‖MᵀMv_k − σ_k²v_k‖/σ_0²
    measured: float | None = None  # the error, by a look at every entry

    @property
    def error(self):
        """‖M − PQᵀ‖/‖M‖."""
        if self.measured is not None or not self.norm:
            return self.measured or 0.0
        return float(np.sqrt(max(0.0, 1 - (np.linalg.norm(self.q) / self.norm) ** 2)))


@dataclass(frozen=True)
class State:
    """After a round: right vectors (b, m) to begin the next one with, those of this one (which
    would give it again), and what was found.
    """

    round: int
    start: list
    vectors: list = field(default_factory=list)
    found: list = field(default_factory=list)
    estimated: bool = False


def random_start(matrix, columns, seed):
    """Gaussian rows (columns, m) that depend on the seed and the matrix's name alone."""
    numbers = stream(seed, crc32(matrix.name.encode()))
    return numbers.standard_normal((min(columns, *matrix.shape), matrix.shape[1]))


class Iteration:
    """Rounds on the ``shards`` of all matrices. Methods are collective."""

    def __init__(self, shards, exchange, counters):
        self.shards, self.exchange, self.counters = shards, exchange, counters

    def scale(self):
        """Choose the power of two that each matrix is worked on by, from a look at some rows."""
        ended, peaks = self.exchange.interrupt.requested, np.zeros(len(self.shards))
        with self.exchange.agreed():
            for i, shard in enumerate(self.shards):
                peaks[i] = shard.peak(self.counters, ended)
        self.exchange.interrupt.stop_if_agreed()
        peaks = np.max(self.exchange.gather_objects(peaks), axis=0)
        for shard, peak in zip(self.shards, peaks):
            shard.exponent = int(np.frexp(peak)[1]) if peak else 0

    def hold(self):
        """Read everything once and keep it."""
        ended = self.exchange.interrupt.requested
        with self.exchange.agreed():
            for shard in self.shards:
                shard.hold(self.counters, ended)
        self.exchange.interrupt.stop_if_agreed()
        self.counters.reads += 1

    def step(self, state):
        """Improve the right vectors of all matrices, and measure them."""
        start = [orthonormal_rows(rows) for rows in state.start]
        sums = self._summed(start)
        ritz = self._ritz([gram for gram, *_ in sums])
        found, ahead, vectors = [], [], []
        for shard, rows, (_, images, square, p), (values, turn) in zip(
            self.shards, start, sums, ritz
        ):
            images, rows = turn @ images, turn @ rows
            vectors.append(rows)
            found.append(_found(shard.matrix.rank, values, rows, images, p=turn @ p, square=square))
            # of length 1, so that weak ones are not taken for what others leave by rounding
            lengths = np.linalg.norm(images, axis=1)
            ahead.append(images[lengths > 0] / lengths[lengths > 0, None])
        self.counters.passes += 1
        self.counters.applications += sum(map(len, start))
        return State(state.round + 1, ahead, vectors, found)

    def measured(self, state):
        """Return the state with those errors measured entry by entry that are too small to be known
        from sums of squares.
        """
        ended, found = self.exchange.interrupt.requested, state.found
        unsure = [
            i
            for i, shard in enumerate(self.shards)
            if found[i].norm and found[i].error ** 2 < UNSURE[shard.work]
        ]
        if not unsure:
            return state
        left = np.zeros(len(unsure))
        with self.exchange.agreed():
            for number, i in enumerate(unsure):
                left[number] = self._left(self.shards[i], found[i], ended)
        self.exchange.interrupt.stop_if_agreed()
        if any(self.shards[i].held is None for i in unsure):
            self.counters.reads += 1
        self.exchange.sum(left)
        sure = list(found)
        for i, square in zip(unsure, left):
            sure[i] = replace(found[i], measured=float(np.sqrt(square)) / found[i].norm)
        return replace(state, found=sure)

    def _left(self, shard, found, ended):
        """‖M − PQᵀ‖² of this worker's rows, for factors as they are stored."""
        kind, total = shard.matrix.work, 0.0
        p, q = (rows.astype(kind).astype(np.float64) for rows in (found.p, found.q))
        for rows, block in shard.blocks(self.counters, ended):
            with self.counters.time("apply"):
                total += np.square(block - p[:, rows].T @ q).sum()
        return total

    def _summed(self, start):
        """Return, of each matrix, VᵀSV (b, b) and SV (b, m) for S = MᵀM, ‖M‖², and this worker's
        columns of P = VMᵀ (b, rows).
        """
        ended, local = self.exchange.interrupt.requested, []
        with self.exchange.agreed():
            for shard, rows in zip(self.shards, start):
                local.append(self._of_shard(shard, rows, ended))
        self.exchange.interrupt.stop_if_agreed()
        if any(shard.held is None for shard in self.shards):
            self.counters.reads += 1
        whole = self.exchange.sum(
            np.concatenate([part.reshape(-1) for *parts, _ in local for part in parts])
        )
        at, sums = 0, []
        for *parts, p in local:
            told = []
            for part in parts:
                told.append(whole[at : at + part.size].reshape(part.shape))
                at += part.size
            gram, images, square = told
            sums.append((gram, images, float(square[0]), p))
        return sums

    def _of_shard(self, shard, rows, ended):
        narrow, b = rows.astype(shard.work), len(rows)
        gram, images, square = np.zeros((b, b)), np.zeros(rows.shape), np.zeros(1)
        p = np.zeros((b, shard.stop - shard.first))
        for part, block in shard.blocks(self.counters, ended):
            with self.counters.time("apply"):
                product = narrow @ block.T
                p[:, part] = product
                images += product @ block
                gram += p[:, part] @ p[:, part].T
                square += np.square(block, dtype=np.float64).sum()
        return gram, images, square, p

    def _ritz(self, grams):
        """Return eigenvalues, falling, and eigenvectors as rows of small matrices: the root solves
        them.
        """
        sizes = [len(gram) for gram in grams]

        def solve():
            solved = [np.linalg.eigh((gram + gram.T) / 2) for gram in grams]
            both = [(values[::-1], vectors.T[::-1]) for values, vectors in solved]
            return [np.concatenate([part.reshape(-1) for one in both for part in one])]

        (flat,) = self.exchange.from_root(solve, sum(b + b * b for b in sizes))
        at, found = 0, []
        for b in sizes:
            found.append((flat[at : at + b], flat[at + b : at + b + b * b].reshape(b, b)))
            at += b + b * b
        return found


def _found(rank, values, rows, images, *, p, square):
    """The ``Found`` of a mean: its r leading pairs; zeros where it has not so many."""
    r = min(rank, len(values))
    squares = np.maximum(values[:r], 0.0)
    largest = squares[0] if r else 0.0
    is_there = squares > largest * EPSILON * max(1, len(rows.T))
    sizes = np.where(is_there, np.sqrt(squares), np.inf)[:, None]
    off = np.linalg.norm(images[:r] - squares[:, None] * rows[:r], axis=1)
    found = Found(
        norm=float(np.sqrt(square)),
        p=p[:r] / sizes,
        q=images[:r] / sizes,
        squares=squares,
        residuals=off / largest if largest else np.zeros(r),
    )
    return _filled(found, rank)


def _filled(found, rank):
    """The same with zeros for the pairs that are missing up to ``rank``."""
    missing = rank - len(found.squares)
    if not missing:
        return found

    def filled(array):
        return np.concatenate([array, np.zeros((missing, *array.shape[1:]))])

    arrays = (found.p, found.q, found.squares, found.residuals)
    return Found(found.norm, *map(filled, arrays))
