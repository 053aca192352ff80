"""Unbiased compression of a rank (as compared with in arXiv 1905.13727): random projections."""

import numpy as np

from .matrices import Delta, Entries, Factors, MatrixCompressor


class UnbiasedRank(MatrixCompressor):
    """Sends P = MU for a random U with E[UUᵀ] = I, the same on all workers, and hands out PUᵀ.

    By default without error feedback: what is handed out is right in the mean, but so far off each
    time that what is owed would grow without bound.
    """

    def __init__(self, comm, rank=2, feedback=None, **options):
        """Collective. ``options``: start, least and seed, as of ``MatrixCompressor``."""
        super().__init__(comm, rank, feedback=feedback, **options)

    def _exchange(self, deltas):
        random = [self._random(delta, (self._rank_of(delta.form), delta.m)) for delta in deltas]
        u = [rows / np.sqrt(rows.dtype.type(len(rows))) for rows in random]
        own = self._products(Delta.right, deltas, u)
        p = self.messages.mean(own)
        if self.feedback == "local":
            return [Entries(a.T @ rows, b.T @ rows) for a, b, rows in zip(p, own, u)]
        return [Factors(*parts) for parts in zip(p, u)]
