"""Top1 solvers: improve one vector each on one deflated operator each, all workers of a rank in
step.

A solver is called as ``solver(apply, vectors, images, steps, hints)``: vectors (r, d) of unit
length, images = apply(vectors), ``apply`` collective over the ranks, so every solver calls it
exactly ``steps − 1`` times. It returns new vectors; a row that vanishes on its operator is returned
as zeros, for the caller to replace. A new solver is one function and one line in ``SOLVERS``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SMALLEST_GAP = 0.02  # of the eigenvalue: a guess of the next one that comes nearer is held off


@dataclass
class Hints:
    """What solvers may use beside the vectors, one entry per row (r).

    ``remember(name, width)`` is an array (r, width) kept from round to round: zeros for workers
    that begin, written in place.
    """

    floor: float = 0.0  # norm up to which an image is rounding error
    step: np.ndarray | None = None  # η, in units of 1/Σ
    upper: np.ndarray | None = None  # the largest eigenvalue that is not wanted, as far as known
    remember: Callable | None = None


def normalised(rows, floor):
    """Rows over their norms; rows with a norm up to ``floor`` become zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(norms > floor, rows / np.where(norms > floor, norms, 1), 0.0)


def power(apply, vectors, images, steps, hints):
    """``steps`` steps v ← Σ_k v / ‖Σ_k v‖ (arXiv 2502.17615, Algorithm 1)."""
    vectors = normalised(images, hints.floor)
    for _ in range(steps - 1):
        vectors = normalised(apply(vectors), hints.floor)
    return vectors


def hebb(apply, vectors, images, steps, hints):
    """``steps`` steps v ← (v + η Σ_k v)/‖…‖: gradient ascent on the sphere (arXiv 2502.17615,
    Algorithm 1). On mini-batches it is Oja's rule.
    """
    eta, there = hints.step[:, None], np.linalg.norm(images, axis=1, keepdims=True) > hints.floor
    stay, go = (
        1 / np.maximum(eta, 1),
        np.minimum(eta, 1),
    )  # (1, η) over the larger of 1 and η: no η is too large then
    vectors = np.where(there, normalised(stay * vectors + go * images, 0.0), 0.0)
    for _ in range(steps - 1):
        vectors = normalised(stay * vectors + go * apply(vectors), 0.0)
    return vectors


def gradient(apply, vectors, images, steps, hints):
    """Steps of both sides of a pair at once, b ← b + η(M_kᵀa − b·aᵀa) and
    a ← a + η(M_k b − a·bᵀb), from a = M_k b on, scaled to be as long as b; M_kᵀM_k = Σ_k.

    η = ½/‖M_k b‖ of the worker's own unit b. All is written with a = M_k y, as long as b; so the
    first step needs no product, and ``steps`` of them are enough for one step more.
    """
    squares = np.sum(vectors * images, axis=1, keepdims=True)
    lengths = np.linalg.norm(images, axis=1, keepdims=True)
    there = (squares > 0) & (lengths > hints.floor)
    size = np.sqrt(np.where(there, squares, 1.0))
    half = np.sqrt(size)
    b, y, image_b, image_y = half * vectors, vectors / half, half * images, images / half
    eta = 0.5 / size
    for number in range(steps + 1):
        of_a = 1 - eta * np.sum(b * b, axis=1, keepdims=True)
        of_b = 1 - eta * np.sum(y * image_y, axis=1, keepdims=True)
        if 0 < number < steps:
            image_b = apply(b)
        b, y, image_y = (
            of_b * b + eta * image_y,
            of_a * y + eta * b,
            of_a * image_y + eta * image_b,
        )
    return np.where(there, normalised(b, 0.0), 0.0)


def momentum(apply, vectors, images, steps, hints):
    """``steps`` steps w⁺ = Σ_k w − β w_before, both over ‖w⁺‖, with β from the rate seen
    (Austin, Pollock & Zhu, arXiv 2403.09618).

    The vector before and its residual are kept over rounds: if it begins again each time, momentum
    diverges for even ``steps``.
    """
    before = hints.remember("momentum_before", vectors.shape[1])
    seen = hints.remember("momentum_residual", 1)
    for number in range(steps):
        if number:
            images = apply(vectors)
        values = np.sum(vectors * images, axis=1, keepdims=True)
        residuals = np.linalg.norm(images - values * vectors, axis=1, keepdims=True)
        has_begun = seen > 0
        rate = np.where(has_begun, np.minimum(residuals / np.where(has_begun, seen, 1.0), 1.0), 0.0)
        beta = np.where(values > 0, (values * rate / (1 + rate**2)) ** 2, 0.0)
        following = images - beta * before
        lengths = np.linalg.norm(following, axis=1, keepdims=True)
        there = lengths > hints.floor
        before[:] = np.where(there, vectors / np.where(there, lengths, 1), 0.0)
        seen[:] = residuals
        vectors = np.where(there, following / np.where(there, lengths, 1), 0.0)
    return vectors


def chebyshev(apply, vectors, images, steps, hints):
    """The Chebyshev polynomial of degree ``steps`` in Σ_k that is small on [0, upper], times the
    vector (Zhou & Saad 2007, scaled).

    ``hints.upper``: the eigenvalue after the wanted one, as the next worker sees it.
    """
    values = np.sum(vectors * images, axis=1, keepdims=True)
    lengths = np.linalg.norm(images, axis=1, keepdims=True)
    top = np.maximum(np.where(values > 0, values, lengths), 1e-300)
    half = (
        np.clip(hints.upper[:, None], 0.01 * top, (1 - SMALLEST_GAP) * top) / 2
    )  # the interval is [0, 2·half]
    sigma = first = half / (top - half)
    before, following = vectors, (images - half * vectors) * (sigma / half)
    for _ in range(steps - 1):
        after = 1 / (2 / first - sigma)
        before, following = (
            following,
            (apply(following) - half * following) * (2 * after / half) - sigma * after * before,
        )
        sigma = after
    return np.where(lengths > hints.floor, normalised(following, 0.0), 0.0)


def lanczos(apply, vectors, images, steps, hints):
    """The largest Ritz vector of ``steps`` Lanczos steps with full reorthogonalisation, times
    Σ_k: a free power step.
    """
    basis, image = [vectors], [images]
    for _ in range(steps - 1):
        basis.append(_next_direction(image[-1], basis, hints.floor))
        image.append(apply(basis[-1]))
    basis, image = np.stack(basis, axis=1), np.stack(image, axis=1)  # (r, steps, d)
    projected = np.einsum("rid,rjd->rij", basis, image)
    spent = ~basis.any(
        axis=2
    )  # a direction that was not there must not win if all of Σ_k is negative
    projected[spent[:, :, None] & np.eye(steps, dtype=bool)] = (
        -1 - 2 * np.abs(projected).max(initial=0.0) * steps
    )
    coefficients = np.linalg.eigh((projected + projected.transpose(0, 2, 1)) / 2)[1][:, :, -1]
    return normalised(np.einsum("ri,rid->rd", coefficients, image), hints.floor)


def _next_direction(rows, basis, floor):
    """Rows made orthogonal to every (r, d) array in ``basis``, normalised; exhausted rows become
    zero.
    """
    size = np.linalg.norm(rows, axis=1)
    for _ in range(2):
        for previous in basis:
            rows = rows - np.sum(rows * previous, axis=1, keepdims=True) * previous
    rest = np.linalg.norm(rows, axis=1)
    return np.where((rest > np.maximum(1e-12 * size, floor))[:, None], normalised(rows, floor), 0.0)


TAKE_A_STEP = ("hebb", "oja")  # those that --step-size is for


def held_by(solver, steps):
    """Vectors that a solver holds beside each one, for the memory budget."""
    return {"lanczos": 4 * steps, "momentum": 4, "chebyshev": 3, "gradient": 4}.get(solver, 0)


SOLVERS = {
    "power": power,
    "hebb": hebb,
    "oja": hebb,
    "gradient": gradient,
    "momentum": momentum,
    "lanczos": lanczos,
    "chebyshev": chebyshev,
}
