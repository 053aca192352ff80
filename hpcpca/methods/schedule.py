"""Who works in a round: a mask (m) of the workers, as ``schedule(method, state, residuals)`` gives
it.

``residuals()`` are those of every worker on its own deflated operator, relative to λ_0; asking for
them is collective.
"""

import numpy as np

# of the goal: what a superior is left with, in the first sweep and in those that mend it
FINER = (0.1, 0.01, 1e-3, 1e-4)
LEAST = 2  # rounds of a worker that has a budget


def staggered(method, state, residuals):
    """Worker k (from 0) starts in round k+1 (arXiv 2502.17615, Algorithm 1)."""
    return np.arange(method.count) <= state.round


def all_at_once(method, state, residuals):
    """Everybody, from the first round on."""
    return np.ones(method.count, bool)


def sequential(method, state, residuals):
    """One after the other: the first worker that is not done on its own operator.

    Superiors are frozen then, so they must be better than the smallest goal; if the whole still
    misses that, all are gone through again.
    """
    goals, rounding = method.goals, method.operator.rounding
    smallest = goals(state.eigenvalues, rounding).min()
    for share in FINER:
        enough = max(share * smallest, min(share * goals.tol, rounding))
        late = np.flatnonzero(~(residuals() <= enough))
        if len(late):
            break
    return np.arange(method.count) == (late[0] if len(late) else 0)


def budgeted(total, slope):
    """One after the other, each for its share of ``total`` rounds, as in One Rank at a Time
    (arXiv 2505.22602): in proportion to 1 + slope·x, with x from 1 for the first worker to −1 for
    the last, at least ``LEAST``. Then, if the whole misses the goals, ``sequential``.
    """

    def schedule(method, state, residuals):
        ends = np.cumsum(shares(total, slope, method.count))
        if state.round >= ends[-1]:
            return sequential(method, state, residuals)
        return np.arange(method.count) == np.searchsorted(ends, state.round, side="right")

    return schedule


def shares(total, slope, count):
    """Rounds of each of ``count`` workers."""
    weights = np.maximum(1 + slope * np.linspace(1, -1, count), 1e-9)
    return np.maximum(LEAST, np.rint(total * weights / weights.sum())).astype(int)
