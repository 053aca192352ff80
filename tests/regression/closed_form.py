"""Regressions solved in plain numpy by singular values, and data that test them."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Truth:
    """Of R pairs: θ (R) of undivided sums, W (d, q), the intercept (q), R² of 1, 2, … R pairs."""

    strength: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    r2: np.ndarray


def solved(x, y, rank, ridge=0.0, is_centred=True):
    """Reduced-rank regression: the full-rank coefficients, projected on the leading right singular
    vectors of the fitted values; a ridge is as many more rows √ρ·I, whose targets are zero.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    means = (x.mean(axis=0), y.mean(axis=0)) if is_centred else (0 * x[0], 0 * y[0])
    xc, yc = x - means[0], y - means[1]
    d, q = x.shape[1], y.shape[1]
    stacked = np.vstack([xc, np.sqrt(ridge) * np.eye(d)]) if ridge else xc
    aimed = np.vstack([yc, np.zeros((d, q))]) if ridge else yc
    scale = np.linalg.norm(stacked, axis=0)
    scale[scale < 1e-12 * np.linalg.norm(x, axis=0)] = 1.0  # a constant column
    # minimum norm in the data's own units where the rank is less than d, as numpy has it
    is_full = np.linalg.matrix_rank(stacked / scale) == d
    if is_full:
        full = np.linalg.lstsq(stacked / scale, aimed, rcond=1e-15)[0] / scale[:, None]
    else:
        full = np.linalg.lstsq(stacked, aimed, rcond=1e-12)[0]
    _, theta, right = np.linalg.svd(stacked @ full, full_matrices=False)
    weights = full @ right[:rank].T @ right[:rank]
    r2 = [
        1 - ((yc - xc @ full @ right[:k].T @ right[:k]) ** 2).sum() / (yc**2).sum()
        for k in range(1, rank + 1)
    ]
    return Truth(theta[:rank], weights, means[1] - means[0] @ weights, np.array(r2))


def planted(rng, n, d, q, strengths, noise=1.0, mixing=None):
    """X (n, d) normal, mixed by ``mixing`` (d, d), and Y (n, q) = X·W + noise with planted θ's."""
    x = rng.standard_normal((n, d))
    if mixing is not None:
        x = x @ mixing
    left = np.linalg.qr(rng.standard_normal((d, d)))[0][:, : len(strengths)]
    right = np.linalg.qr(rng.standard_normal((q, q)))[0][:, : len(strengths)]
    return x, x @ (left * strengths) @ right.T + noise * rng.standard_normal((n, q))


def conditioned(rng, d, condition):
    """A mixing (d, d) whose singular values fall geometrically to 1 over ``condition``."""
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    return left * np.geomspace(1, 1 / condition, d) @ right
