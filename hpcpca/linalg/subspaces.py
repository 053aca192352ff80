"""How two sets of vectors agree: principal angles between their spans, and pairs of vectors that
are most alike. Vectors are rows, given a few columns at a time, in two readings.
"""

from dataclasses import dataclass

import numpy as np

NEARLY_ONE = 0.9  # cosines above this are of angles that sines tell better
DEPENDENT = 1e-12  # of the largest eigenvalue of a Gram matrix: below it rows add no direction


@dataclass(frozen=True)
class Agreement:
    """``angles`` (min(K_a, K_b)) between the spans, rising, in radians. Row ``pairs[i, 0]`` of a
    goes with row ``pairs[i, 1]`` of b, turned by ``signs[i]`` and away by ``apart[i]`` radians.
    """

    angles: np.ndarray
    pairs: np.ndarray
    signs: np.ndarray
    apart: np.ndarray


def agreement(blocks):
    """Return the ``Agreement`` of the rows a (K_a, d) and b (K_b, d); K_a ≥ 1, K_b ≥ 1.

    ``blocks()`` yields (a, b) of some columns at a time, and is called twice. Cosines are singular
    values of QₐQ_bᵀ; sines are norms of what is left of Q_b off Qₐ, as in Björck and Golub (1973):
    they tell small angles, of which cosines are 1. An angle less than 1e-7 of the largest one is
    lost in the rounding of that one.
    """
    gram_a, gram_b, cross = _products(blocks)
    own_a, own_b = _orthonormal(gram_a), _orthonormal(gram_b)
    left, cosines, right = np.linalg.svd(own_a @ cross @ own_b.T)
    count, is_wider = len(cosines), len(own_a) >= len(own_b)
    # what is turned to principal vectors of the smaller space, and its shadow on the larger one
    turned = right[:count] @ own_b if is_wider else left.T[:count] @ own_a
    shadow = (
        (own_a.T @ (own_a @ cross @ turned.T)).T
        if is_wider
        else (own_b.T @ (own_b @ cross.T @ turned.T)).T
    )
    lengths = np.sqrt(np.diag(gram_a)), np.sqrt(np.diag(gram_b))
    alike = cross / np.outer(*lengths)
    pairs = _matched(np.abs(alike))
    signs = np.where(alike[tuple(pairs.T)] < 0, -1, 1)
    gram, apart = np.zeros((count, count)), np.zeros(len(pairs))
    for a, b in blocks():
        rest = turned @ b - shadow @ a if is_wider else turned @ a - shadow @ b
        gram += rest @ rest.T
        one, other = (a / lengths[0][:, None])[pairs[:, 0]], (b / lengths[1][:, None])[pairs[:, 1]]
        apart += ((one - signs[:, None] * other) ** 2).sum(axis=1)
    return Agreement(
        _angles(np.clip(cosines, 0, 1), gram),
        pairs,
        signs,
        2 * np.arcsin(np.clip(np.sqrt(apart) / 2, 0, 1)),
    )


def _products(blocks):
    """aaᵀ, bbᵀ and abᵀ."""
    sums = None
    for a, b in blocks():
        found = a @ a.T, b @ b.T, a @ b.T
        sums = found if sums is None else tuple(map(np.add, sums, found))
    return sums


def _orthonormal(gram):
    """T with T·gram·Tᵀ = 1: what makes rows with this Gram matrix orthonormal."""
    values, vectors = np.linalg.eigh(gram)
    is_there = values > DEPENDENT * values[-1]
    return (vectors[:, is_there] / np.sqrt(values[is_there])).T


def _angles(cosines, gram):
    """Rising angles of ``cosines``; small ones from the Gram matrix of what is left, in the same
    order.
    """
    angles, count = np.arccos(cosines), int((cosines > NEARLY_ONE).sum())
    squares = np.linalg.eigvalsh(gram[:count, :count]) if count else np.zeros(0)
    angles[:count] = np.arcsin(np.sqrt(np.clip(squares, 0, 1)))
    return np.sort(angles)


def _matched(alike):
    """(min(K_a, K_b), 2): rows and columns of the largest entries, each taken once, by rows."""
    rest, found = alike.copy(), []
    for _ in range(min(alike.shape)):
        row, column = np.unravel_index(np.argmax(rest), rest.shape)
        found.append((row, column))
        rest[row], rest[:, column] = -1, -1
    return np.array(sorted(found))
