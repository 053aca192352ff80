"""An adapter out of a network that was fine-tuned whole, by reduced-rank regression.

Of a module let X (n, d) be its inputs and Y (n, q) what its outputs lack. The pairs that take most
off ‖Ỹ − X̃W‖² are found with sums over batches alone: C = X̃ᵀX̃ and D = X̃ᵀỸ.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..regression.whitening import EPSILON, whitening
from .adapter import Adapter


@dataclass
class Sums:
    """Sums over rows of X (n, d) and Y (n, q), about a shift that is near the means: float64."""

    count: float
    first: np.ndarray  # (d + q) of rows less the shift
    second: np.ndarray  # (d, d + q) of their products
    squares: np.ndarray  # (q) of Y's
    shift: np.ndarray  # (d + q)

    @classmethod
    def over(cls, batches, world=None):
        """Sum up (X, Y) of ``batches``, over all ranks of ``world`` if there is one. Collective
        then; every rank has batches of its own, at least one.
        """
        own = None
        for x, y in batches:
            rows = np.concatenate([np.asarray(each, np.float64) for each in (x, y)], axis=1)
            if own is None:
                shift = rows.mean(axis=0)
                if world is not None:
                    shift = world.total(shift) / world.size
                own = cls(0.0, np.zeros(rows.shape[1]), 0.0, 0.0, shift)
            rows = rows - own.shift
            own.count += len(rows)
            own.first += rows.sum(axis=0)
            own.second = own.second + rows[:, : x.shape[1]].T @ rows
            own.squares = own.squares + (rows[:, x.shape[1] :] ** 2).sum(axis=0)
        if world is not None:
            own.count = float(world.total(np.array([own.count]))[0])
            for each in (own.first, own.second, own.squares):
                world.total(each)
        return own

    @property
    def total(self):
        """‖Ỹ‖², about the mean."""
        return float(self.squares.sum() - (self.first[len(self.second) :] ** 2).sum() / self.count)

    def solved(self, rank, ridge=0.0, has_bias=True):
        """Return (a (r, d), b (r, q), bias (q), θ² (r)) of the best ``rank`` pairs; ``ridge`` as
        scikit-learn's alpha. b are orthonormal, the largest entry of each is positive.

        Without a bias, it is zero, and X and Y are not taken about their means.
        """
        d, mean = len(self.second), self.first / self.count
        products = self.second - self.count * np.outer(mean[:d], mean)
        means = mean + self.shift
        if not has_bias:
            products = products + self.count * np.outer(means[:d], means)
        factor = whitening(products[:, :d], ridge, EPSILON).factor
        left = factor.T @ products[:, d:]
        b, squares = leading(left, rank)
        a = b @ left.T @ factor.T
        return a, b, has_bias * (means[d:] - means[:d] @ a.T @ b), squares


def leading(matrix, rank):
    """Return the leading right singular vectors (r, q) of a matrix (m, q), the largest entry of
    each positive, and the squares of its singular values (r).
    """
    _, sizes, vectors = np.linalg.svd(matrix, full_matrices=False)
    vectors = vectors[:rank]
    peaks = vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)]
    return vectors * np.where(peaks < 0, -1.0, 1.0)[:, None], sizes[:rank] ** 2


def ranks_within(budget, squares, totals, costs):
    """Return {module: pairs}, one at least, that are ``budget`` parameters at most: pair after
    pair goes where it adds most to R² for a parameter.

    Of each module: ``squares`` are its θ², as ``solved`` returns them for as many pairs as there
    may be, ``totals`` ‖Ỹ‖², ``costs`` the parameters of a pair. Raise UsageError for too small a
    budget.
    """
    least = sum(costs.values())
    if budget < least:
        raise UsageError(f"budget {budget}: one pair for every module takes {least}; give more")
    ranks, left = dict.fromkeys(squares, 1), budget - least

    def share(name):
        return squares[name][ranks[name]] / (totals[name] * costs[name])

    while True:
        open_ones = [
            name for name, r in ranks.items() if r < len(squares[name]) and costs[name] <= left
        ]
        if not open_ones:
            return ranks
        best = max(open_ones, key=share)
        ranks[best], left = ranks[best] + 1, left - costs[best]


def truncated(changes, rank):
    """Return the ``Adapter`` of the best approximations of rank ``rank`` (or {module: rank}) to
    ``changes`` {module: ΔW (q, d)}: plain SVD, to compare with.
    """
    pairs = {}
    for name, change in changes.items():
        r = rank[name] if isinstance(rank, dict) else rank
        a, sizes, b = np.linalg.svd(np.asarray(change, np.float64).T, full_matrices=False)
        pairs[name] = ((a[:, :r] * sizes[:r]).T, b[:r])
    return Adapter(pairs)


def layer_after_layer(ranks, rows, *, biased=(), ridge=0.0, world=None):
    """Return the ``Adapter`` with ``ranks`` {module: pairs}, fitted in this order; with a bias for
    modules that are ``biased``.

    ``rows(module, adapter)`` yields batches (X, Y) of a module in the network with the
    ``adapter`` so far: what it receives now, and what its outputs lack. Collective if there is a
    ``world``.
    """
    adapter = Adapter({})
    for name, rank in ranks.items():
        sums = Sums.over(rows(name, adapter), world)
        a, b, bias, _ = sums.solved(rank, ridge, name in biased)
        biases = {name: bias} if name in biased else {}
        adapter = Adapter({**adapter.pairs, name: (a, b)}, {**adapter.biases, **biases})
    return adapter
