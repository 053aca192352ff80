"""MINRES for many symmetric systems at a time (Paige and Saunders 1975)."""

import numpy as np

TINY = 1e-300  # keeps lengths that are zero from being divided by


def minres(apply, right, steps):
    """Return X (r, d) whose rows nearly solve A_k·x_k = b_k: ``steps`` steps from zero, for
    ``right`` sides b (r, d) float64.

    ``apply(X)`` returns the rows A_k·x_k, and is called once a step. Each A_k is symmetric, and may
    be indefinite.
    """
    solution = np.zeros_like(right)
    length = np.linalg.norm(right, axis=1)
    left, coupling = length.copy(), np.zeros(len(right))  # of the residual; between Lanczos vectors
    before, now = np.zeros_like(right), right / np.maximum(length, TINY)[:, None]
    direction_before, direction = np.zeros_like(right), np.zeros_like(right)
    cosine_before = cosine = np.ones(len(right))
    sine_before = sine = np.zeros(len(right))
    for _ in range(steps):
        image = apply(now)
        diagonal = np.einsum("kd,kd->k", now, image)
        image -= diagonal[:, None] * now
        image -= coupling[:, None] * before
        following = np.linalg.norm(image, axis=1)
        # the last column of the tridiagonal matrix, after the rotations of both steps before
        rotated = cosine * diagonal - cosine_before * sine * coupling
        above = sine * diagonal + cosine_before * cosine * coupling
        farther = sine_before * coupling
        pivot = np.maximum(np.hypot(rotated, following), TINY)
        cosine_before, cosine = cosine, rotated / pivot
        sine_before, sine = sine, following / pivot
        update = now - farther[:, None] * direction_before - above[:, None] * direction
        update /= pivot[:, None]
        direction_before, direction = direction, update
        solution += (cosine * left)[:, None] * update
        left = -sine * left
        before, now, coupling = now, image / np.maximum(following, TINY)[:, None], following
    return solution
