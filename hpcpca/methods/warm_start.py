"""A start panel from a few rounds on sampled rows."""

from ..rng import spread

SHARE, MOST = 0.05, 0.25  # of the rows; no warm start if the sample would be larger than the second
WINDOW = 32  # consecutive rows sampled together
ROUNDS = 3


def sampled_rows(n, count, seed):
    """Return [(start, stop)] of rows over the whole file set, keyed by seed, or [] if
    sampling does not pay.
    """
    wanted = max(SHARE * n, 4 * count)
    if wanted > MOST * n:
        return []
    starts = spread(seed, max(1, round(wanted / WINDOW)), max(1, n - WINDOW))
    return [(int(start), min(n, int(start) + WINDOW)) for start in starts]


def warm_start(method, sample, vectors):
    """Return better start vectors (own, d): ``ROUNDS`` rounds of ``method`` on the operator of
    the sample. Collective.
    """
    sampled = method.on(sample)
    state = sampled.initialize(vectors)
    for _ in range(ROUNDS):
        state = sampled.step(state)
    return state.vectors
