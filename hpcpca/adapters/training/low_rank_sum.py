"""Weights with pairs beside them, in the place of an array of weights."""

import math
from dataclasses import dataclass

import jax

from .only_products import OnlyProducts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LowRankSum(OnlyProducts):
    """W + Σ_k b_k a_kᵀ (q, d), never formed, from W (q, d), a (r, d) and b (r, q).

    A network that computes ``x @ W.T`` takes it as it would take an array.
    """

    whole: jax.Array
    a: jax.Array
    b: jax.Array

    @property
    def shape(self):
        """(q, d)."""
        return self.whole.shape

    @property
    def ndim(self):
        """Two."""
        return 2

    @property
    def dtype(self):
        """That of W."""
        return self.whole.dtype

    def __len__(self):
        return len(self.whole)

    def astype(self, dtype):
        """The same in another type."""
        return LowRankSum(*(each.astype(dtype) for each in (self.whole, self.a, self.b)))

    @property
    def T(self):
        """The transpose (d, q)."""
        return LowRankSum(self.whole.T, self.b, self.a)

    def __rmatmul__(self, rows):
        """Rows (…, q) times it.

        They are one matrix here: XLA is several times as slow at the pairs' gradients, which are
        thin products over all rows, if these have two axes.
        """
        outer, width = rows.shape[:-1], rows.shape[-1]
        rows = rows.reshape(math.prod(outer), width)
        result = rows @ self.whole + (rows @ self.b.T) @ self.a
        return result.reshape(*outer, result.shape[-1])
