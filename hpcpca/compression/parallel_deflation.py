"""Parallel deflation in place of orthonormalisation: every pair of vectors improves at once, each
against the pairs before it as they were in the step before.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from .matrices import Delta, Factors, MatrixCompressor, taken_from
from .vectors import normalised, refilled

GROWN = 2.0  # times what was owed when a pair came to rest; from then on it is worked on again


@dataclass
class Pairs:
    """The pairs of a matrix: rows of p (r, n) have length 1 or are zeros, those of q (r, m) σ_k.

    ``resting`` (r): what was owed when a pair came to rest, 0 for those that are at work.
    """

    p: np.ndarray
    q: np.ndarray
    resting: np.ndarray

    @property
    def at_work(self):
        """Which pairs are sent, bool (r)."""
        return self.resting == 0


class ParallelDeflation(MatrixCompressor):
    """Sends p_k = Mq_k and q_k = Mᵀp̂_k of every matrix M, and hands out Σ p̂_k q_kᵀ.

    p_k ← (M − Σ_{j<k} p̂_j q_jᵀ) q_k is deflated by the pairs of the step before; q_k by those of
    this one, so that the error is ‖M‖² − Σ‖q_k‖².
    """

    def __init__(self, comm, rank=2, rest=0.0, **options):
        """Collective. A pair rests, and is not sent, while ‖q_k‖ < ``rest``·max‖q_j‖; it is worked
        on again when what is owed of the matrix has doubled.

        ``options``: feedback, start, least and seed, as of ``MatrixCompressor``.
        """
        super().__init__(comm, rank, **options)
        if not 0 <= rest < 1:
            raise UsageError(f"rest = {rest}: give a share of the first pair, from 0 to below 1")
        self.rest, self._pairs, self._norms = rest, {}, []

    def _exchange(self, deltas):
        before = [self._pairs_before(delta) for delta in deltas]
        q = [normalised(pairs.q[pairs.at_work]) for pairs in before]
        p = self._products(Delta.right, deltas, q)
        owed = [np.array([delta.owed_norm()], delta.form.work) for delta in deltas if self.rest]
        p, self._norms = _halves(self.messages.mean(p + owed), len(p))
        with self.tally.part("orthonormalisation"):
            p = [_deflated(*of_one) for of_one in zip(p, q, before)]
        own = self._products(Delta.left, deltas, p)
        q = self.messages.mean(own)
        with self.tally.part("orthonormalisation"):
            overlaps = [np.tril(rows @ rows.T, -1) + np.eye(len(rows)) for rows in p]
            q = [_fitted(*of_one) for of_one in zip(overlaps, q)]
            own = [self._local(_fitted(*of_one)) for of_one in zip(overlaps, own)]
        return [Factors(*parts) for parts in zip(p, q, own)]

    def _pairs_before(self, delta):
        """Return the pairs of the step before; those that are new have a random q and no p."""
        r, old = self._rank_of(delta.form), self._pairs.get(delta.name)
        work = delta.form.work
        if old is not None and (len(old.q), old.q.dtype) == (r, work) and old.q.any(axis=1).all():
            return old
        new = Pairs(
            np.zeros((r, delta.n), work),
            self._random(delta, (r, delta.m)),
            np.zeros(r),
        )
        if old is not None:
            kept = slice(0, min(r, len(old.q)))
            new.p[kept], new.resting[kept] = old.p[kept], old.resting[kept]
            new.q[kept] = refilled(old.q[kept], lambda: new.q[kept])
        return new

    def _held(self):
        sides = [(name, (pairs.p, pairs.q)) for name, pairs in self._pairs.items()]
        of_pairs = [(name, k, rows.shape[1]) for name, both in sides for k, rows in enumerate(both)]
        return super()._held() + of_pairs

    def _keep(self, parts, sent, whole):
        super()._keep(parts, sent, whole)
        for i, (delta, mean) in enumerate(zip(parts, sent)):
            pairs = self._pairs[delta.name] = self._pairs_before(delta)
            at_work = pairs.at_work
            pairs.p[at_work], pairs.q[at_work] = mean.p, mean.q
            pairs.p[~at_work] = pairs.q[~at_work] = 0
            if self.rest:
                self._let_rest(pairs, float(self._norms[i][0]))

    def _let_rest(self, pairs, owed):
        """Let weak pairs rest, and wake those since whose rest much has been owed."""
        sizes = np.linalg.norm(pairs.q, axis=1)
        least = self.rest * sizes.max(initial=0.0)
        awake = pairs.at_work
        pairs.resting[~awake & (owed > GROWN * pairs.resting)] = 0
        pairs.resting[awake & (sizes < least)] = max(owed, least)

    def state(self):
        """As of ``MatrixCompressor``, and the pairs of the last step."""
        return super().state() | {
            f"{kind}/{name}": array
            for name, pairs in self._pairs.items()
            for kind, array in vars(pairs).items()
        }

    def restore(self, state):
        """As of ``Compressor``."""
        super().restore(state)
        p, q, resting = (taken_from(state, f"{kind}/") for kind in ("p", "q", "resting"))
        self._pairs = {name: Pairs(p[name], q[name], resting[name]) for name in p}


def _halves(arrays, count):
    return arrays[:count], arrays[count:]


def _deflated(p, q, before):
    """Return p_k − Σ_{j<k} p̂_j (q_j·q_k) at length 1, with the pairs ``before`` as superiors."""
    at_work = before.at_work
    weights = np.tril(q @ before.q[at_work].T, -1)
    weights[:, ~before.p[at_work].any(axis=1)] = 0  # pairs that are new take nothing away
    return normalised(p - weights @ before.p[at_work])


def _fitted(overlaps, images):
    """Return q with q_k + Σ_{j<k} (p̂_j·p̂_k) q_j = images_k: each pair fits what those before it
    leave.
    """
    if not len(images):
        return images
    return np.linalg.solve(overlaps.astype(np.float64), images).astype(images.dtype)
