"""A start panel from a few rounds on sampled rows."""

import numpy as np

from ..rng import spread

SHARE, MOST = 0.05, 0.25  # of the rows; no warm start if the sample would be larger than the second
ROUNDS = 3
# of rounds on Σ_s itself, which cost next to nothing: until residuals are this part of λ_0 at most,
# or of what a component has itself
MOST_ROUNDS, CLOSE = 12, 1e-3


def sampled_rows(n, count, seed, wanted=None):
    """Return the numbers of ``wanted`` rows spread over the whole file set, keyed by seed; by
    default of as many as ``count`` start vectors are worth, or none if sampling does not pay.
    """
    if wanted is None:
        wanted = max(SHARE * n, 4 * count)
        if wanted > MOST * n:
            return np.zeros(0, np.int64)
    return spread(seed, min(n, round(wanted)), n)


def warm_start(method, sample, vectors):
    """Return better start vectors (own, d): rounds of ``method`` on the operator of the sample.
    Collective.
    """
    sampled = method.on(sample)
    state = sampled.initialize(vectors)
    most = MOST_ROUNDS if sample.is_cheap else ROUNDS
    while state.round < most and not state.exhausted:
        state = sampled.step(state)
        own = state.eigenvalues / max(state.eigenvalues.max(), np.finfo(float).tiny)
        if (state.residuals <= CLOSE * np.minimum(1, own))[: method.goals.components].all():
            break
    return state.vectors
