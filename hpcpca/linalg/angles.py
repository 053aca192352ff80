"""How far computed components can be from true ones: angle bounds and clusters, from eigenvalues and residuals."""

from dataclasses import dataclass

import numpy as np

RESOLVED = 0.01  # an angle bound above this says that the single vector is not determined


@dataclass(frozen=True)
class Separation:
    """What the measured eigenvalues and residuals say about K components."""

    gaps: np.ndarray            # (K) distance to the nearest other eigenvalue, its error taken off; NaN where unknown
    bounds: np.ndarray          # (K) bound on sin∠(v_k, true component k)
    clusters: np.ndarray        # (c, 3) int64: first component, the one after the last, 1 if it goes on past the last one known
    cluster_bounds: np.ndarray  # (c) bound on the sine of the largest angle of the cluster's subspace


def separation(eigenvalues, residuals, guard_eigenvalues, guard_residuals, rank_limit, d):
    """Return the ``Separation`` of components with the given eigenvalues (K) and relative residuals (K).

    sin∠ ≤ r_k·λ_0/g (Davis–Kahan), g the distance to the nearest other eigenvalue less its own error; 1 where g ≤ 0.
    ``rank_limit`` = min(n−1, d), or d for a covariance: past it eigenvalues are exactly 0 when d is larger. Where the next
    eigenvalue is not known, and there is one, the last component's bound is NaN.
    """
    count = len(eigenvalues)
    values = np.concatenate([eigenvalues, guard_eigenvalues])
    errors = np.concatenate([residuals, guard_residuals]) * max(float(np.max(values)), np.finfo(float).tiny)
    if len(values) >= rank_limit and rank_limit < d:
        values, errors = np.append(values, 0.0), np.append(errors, 0.0)
    gap = np.abs(eigenvalues[:, None] - values[None, :]) - errors[None, :]
    gap[np.arange(count), np.arange(count)] = np.inf
    gaps = gap.min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.where(gaps > 0, np.minimum(1.0, errors[:count] / gaps), 1.0)
    if count < rank_limit and len(values) == count:
        gaps[-1] = bounds[-1] = np.nan
    clusters = _clusters(values, bounds)
    return Separation(gaps, bounds, clusters, np.array([_subspace_bound(values, errors, c) for c in clusters]))


def _clusters(values, bounds):
    """Runs of components, in order of eigenvalue, linked because one of them is not resolved from its neighbour."""
    count, order = len(bounds), np.argsort(-values, kind="stable")
    linked = np.zeros(len(values), bool)  # linked[p]: places p and p+1 belong together
    steps = -np.diff(values[order])
    for place, k in enumerate(order):
        if k < count and bounds[k] > RESOLVED and len(values) > 1:
            left = steps[place - 1] if place > 0 else np.inf
            right = steps[place] if place < len(steps) else np.inf
            linked[place - 1 if left < right else place] = True
    found, place = [], 0
    while place < len(values):
        end = place
        while end < len(steps) and linked[end]:
            end += 1
        members = order[place:end + 1]
        if end > place and (members < count).any():
            found.append((members[members < count].min(), members[members < count].max() + 1, int((members >= count).any())))
        place = end + 1
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _subspace_bound(values, errors, cluster):
    """‖R‖_F over the distance to what is outside; 1 for a cluster that is cut off: which part is held is arbitrary."""
    first, stop, cut = cluster
    outside = np.delete(np.arange(len(values)), np.arange(first, stop))
    if cut:
        return 1.0
    if not len(outside):
        return 0.0 if stop - first == len(values) else 1.0
    gap = (np.abs(values[first:stop, None] - values[None, outside]) - errors[None, outside]).min()
    return float(min(1.0, np.linalg.norm(errors[first:stop]) / gap)) if gap > 0 else 1.0
