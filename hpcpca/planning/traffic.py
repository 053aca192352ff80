"""Bytes that workers tell each other in a round: the payload every rank gets from others, summed
over ranks.

The same count that ``comm.exchange`` keeps; whether it travels by network or through memory shared
on a node.
"""

ITEM = 8  # everything exchanged is float64


def ritz_round(ranks, shards, d, panel, active, *, basis, sweeps=3):
    """Bytes of one round of the Ritz exchange.

    ``active`` columns join the ``basis`` rows there were; ``panel`` = m. One publication of the
    directions and one of their images, the images' reduction over shards, in every one of up to
    three ``sweeps`` that orthonormalise products summed over ranks with the root's answer, sums of
    new rows of H, the Ritz values with their coefficients, sums of the residuals' squares, the
    clock.
    """
    vectors = 2 * (ranks - 1) * active * d + (shards - 1) * active * d
    grown = basis + active
    orthonormalising = sweeps * (ranks - 1) * (3 * active * grown + 2)
    projection = 2 * (ranks - 1) * active * grown
    solution = (ranks - 1) * (panel + panel * grown + 2 * panel)
    return ITEM * (vectors + orthonormalising + projection + solution + ranks - 1)


def sampled_round(ranks, d, panel):
    """Bytes of one round of the Ritz exchange on mini-batches: vectors and estimated images are
    published, then all their products, the root's Ritz values with their coefficients, each
    image's noise, λ̂ with residuals, the clock.
    """
    vectors, small = 2 * panel * d, 4 * panel + 9 * panel * panel + 1
    return ITEM * (ranks - 1) * (vectors + small)


def window_round(ranks, d, panel, *, images=False):
    """Bytes of a local round of all workers in windows: each rank reads its superiors' vectors, and
    ``images`` where the rule wants them, with their fronts; the first one reads all fronts.
    """
    edges = [panel * rank // ranks for rank in range(ranks)]  # superiors' columns
    return ITEM * (sum(edges) * (2 + (1 + images) * d) + ranks + 2 * panel)


def vectors_round(ranks, shards, d, panel, working, *, local_steps, images=False, grams=0):
    """Bytes of one round of the vectors exchange: one publication, of ``images`` too where the
    rule of deflation wants them, so many ``grams`` (m, m), λ̂ with residuals, the clock; of the
    ``working`` workers per local step the images' reduction over shards, and per step between
    exchanges the vectors within the group.
    """
    published = (1 + images) * (ranks - 1) * panel * d
    steps = (2 * local_steps - 1) * (shards - 1) * working * d
    return ITEM * (published + steps + (ranks - 1) * (grams * panel**2 + 2 * panel + 1))
