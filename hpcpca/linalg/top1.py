"""Top1 solvers: improve one vector each on one deflated operator each, all workers of a rank in step.

A solver is called as ``solver(apply, vectors, images, steps)``: vectors (r, d) of unit length, images = apply(vectors),
``apply`` collective over the ranks, so every solver calls it exactly ``steps − 1`` times. It returns new vectors; a row
that vanishes on its operator is returned as zeros, for the caller to draw anew. A new solver is one function and one
line in ``SOLVERS``.
"""

import numpy as np


def normalised(rows, floor):
    """Rows over their norms; rows with a norm up to ``floor`` become zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(norms > floor, rows / np.where(norms > floor, norms, 1), 0.0)


def power(apply, vectors, images, steps, floor=0.0):
    """``steps`` steps v ← Σ_k v / ‖Σ_k v‖ (arXiv 2502.17615, Algorithm 1)."""
    vectors = normalised(images, floor)
    for _ in range(steps - 1):
        vectors = normalised(apply(vectors), floor)
    return vectors


def lanczos(apply, vectors, images, steps, floor=0.0):
    """The largest Ritz vector of ``steps`` Lanczos steps with full reorthogonalisation, times Σ_k: a free power step."""
    basis, image = [vectors], [images]
    for _ in range(steps - 1):
        basis.append(_next_direction(image[-1], basis, floor))
        image.append(apply(basis[-1]))
    basis, image = np.stack(basis, axis=1), np.stack(image, axis=1)     # (r, steps, d)
    projected = np.einsum("rid,rjd->rij", basis, image)
    spent = ~basis.any(axis=2)  # a direction that was not there must not win where all of Σ_k is negative
    projected[spent[:, :, None] & np.eye(steps, dtype=bool)] = -1 - 2 * np.abs(projected).max(initial=0.0) * steps
    coefficients = np.linalg.eigh((projected + projected.transpose(0, 2, 1)) / 2)[1][:, :, -1]
    return normalised(np.einsum("ri,rid->rd", coefficients, image), floor)


def _next_direction(rows, basis, floor):
    """Rows made orthogonal to every (r, d) array in ``basis``, normalised; exhausted rows become zero."""
    size = np.linalg.norm(rows, axis=1)
    for _ in range(2):
        for previous in basis:
            rows = rows - np.sum(rows * previous, axis=1, keepdims=True) * previous
    rest = np.linalg.norm(rows, axis=1)
    return np.where((rest > np.maximum(1e-12 * size, floor))[:, None], normalised(rows, floor), 0.0)


SOLVERS = {"power": power, "lanczos": lanczos}
