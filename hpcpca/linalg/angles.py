"""How far computed components can be from true ones: angle bounds and clusters, from eigenvalues
and residuals.
"""

from dataclasses import dataclass

import numpy as np

RESOLVED = 0.01  # an angle bound above this says that the single vector is not determined


@dataclass(frozen=True)
class Separation:
    """What the measured eigenvalues and residuals say about K components."""

    gaps: (
        np.ndarray
    )  # (K) distance to the nearest other eigenvalue, its error taken off; NaN if unknown
    bounds: np.ndarray  # (K) bound on sin∠(v_k, true component k)
    clusters: (
        np.ndarray
        # (c, 3) int64: first component, one after the last, 1 if it extends past the last one known
    )
    cluster_bounds: (
        np.ndarray
    )  # (c) bound on the sine of the largest angle of the cluster's subspace


def separation(
    eigenvalues, residuals, guard_eigenvalues, guard_residuals, rank_limit, *, d, rounding=0.0
):
    """Return the ``Separation`` of components with the given eigenvalues (K) and relative
    residuals (K).

    sin∠ ≤ r_k·λ_0/g (Davis–Kahan), g the distance to the nearest other eigenvalue less its own
    error; 1 if g ≤ 0, and if the order is not sure: an eigenvalue before k that may be smaller, or
    one after it that may be larger. ``rank_limit`` = min(n−1, d), or d for a covariance: past it
    eigenvalues are exactly 0 when d is larger. If there is a next eigenvalue, and it is not known,
    the last component's bound is NaN. ``rounding`` is the error, relative to λ_0, of the
    operator that the residuals were measured with, which they do not contain.
    """
    count = len(eigenvalues)
    values = np.concatenate([eigenvalues, guard_eigenvalues])
    errors = (np.concatenate([residuals, guard_residuals]) + rounding) * max(
        float(np.max(values)), np.finfo(float).tiny
    )
    if len(values) >= rank_limit and rank_limit < d:
        values, errors = np.append(values, 0.0), np.append(errors, 0.0)
    after = np.arange(len(values))[None, :] > np.arange(count)[:, None]
    gap = np.where(after, 1, -1) * (eigenvalues[:, None] - values[None, :]) - errors[None, :]
    gap[np.arange(count), np.arange(count)] = np.inf
    gaps = gap.min(axis=1)
    bounds = _ratio(errors[:count], gaps)
    if count < rank_limit and len(values) == count:
        gaps[-1] = bounds[-1] = np.nan
    clusters = _clusters(values, errors, count)
    found = np.array([_subspace_bound(values, errors, c) for c in clusters], dtype=np.float64)
    if np.isnan(bounds[-1]):  # so is what the last cluster is to be told from
        found[clusters[:, 1] == count] = np.nan
    return Separation(gaps, bounds, clusters, found)


def _ratio(errors, gaps):
    """min(1, error/gap), 1 if there is no gap."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gaps > 0, np.minimum(1.0, errors / gaps), 1.0)


def _clusters(values, errors, count):
    """Runs of components, in order of eigenvalue, each not resolved from the next (or the next
    not from it).
    """
    order = np.argsort(-values, kind="stable")
    upper, lower = order[:-1], order[1:]
    gap = values[upper] - values[lower]
    linked = (upper < count) & (_ratio(errors[upper], gap - errors[lower]) > RESOLVED) | (
        lower < count
    ) & (_ratio(errors[lower], gap - errors[upper]) > RESOLVED)
    found, place = [], 0
    while place < len(values):
        end = place
        while end < len(linked) and linked[end]:
            end += 1
        members = order[place : end + 1]
        if end > place and (members < count).any():
            found.append(
                (
                    members[members < count].min(),
                    members[members < count].max() + 1,
                    int((members >= count).any()),
                )
            )
        place = end + 1
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _subspace_bound(values, errors, cluster):
    """‖R‖_F over the distance to what is outside; 1 for a cluster that is cut off: which part is
    held is arbitrary.
    """
    first, stop, cut = cluster
    outside = np.delete(np.arange(len(values)), np.arange(first, stop))
    if cut:
        return 1.0
    if not len(outside):
        return 0.0 if stop - first == len(values) else 1.0
    gap = (np.abs(values[first:stop, None] - values[None, outside]) - errors[None, outside]).min()
    return float(min(1.0, np.linalg.norm(errors[first:stop]) / gap)) if gap > 0 else 1.0
