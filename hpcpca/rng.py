"""Random streams keyed by what they are for, never by the rank that draws them."""

import numpy as np


def stream(seed, *keys):
    """Return a generator that depends on ``seed`` and the integer ``keys`` alone."""
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(int(seed), spawn_key=tuple(map(int, keys))))
    )


def unit_vectors(seed, components, d):
    """Return random unit vectors, one row per number in ``components``: (len, d) float64."""
    rows = np.empty((len(components), d))
    for row, k in zip(rows, components):
        row[:] = stream(seed, k).standard_normal(d)
        row /= np.linalg.norm(row)
    return rows


def spread(seed, count, total):
    """Pick ``count`` of ``total`` numbers, one at random in each of ``count`` equal parts:
    sorted int array.
    """
    edges = np.linspace(0, total, count + 1)
    draws = edges[:-1] + stream(seed, 0x5B10C).random(count) * np.diff(edges)
    picked = np.minimum(draws.astype(np.int64), total - 1)
    return picked[np.diff(picked, prepend=-1) > 0]
