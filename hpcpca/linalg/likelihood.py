"""The Gaussian model of probabilistic PCA: K variances along components, noise in all other
directions (Tipping and Bishop, 1999, https://doi.org/10.1111/1467-9868.00196).
"""

import numpy as np


def covariance(components, variances, noise):
    """Return Σ = Vᵀ diag(λ − σ²) V + σ²I: (d, d). ``components`` (K, d) are orthonormal."""
    found = (components.T * (variances - noise)) @ components
    found.flat[:: len(found) + 1] += noise
    return found


def precision(components, variances, noise):
    """Return Σ⁻¹: (d, d)."""
    if noise == 0:
        return np.linalg.inv(covariance(components, variances, noise))
    return covariance(components, 1 / variances, 1 / noise)


def of_rows(deviations, components, variances, noise):
    """Return the log-likelihood of rows less their mean, ``deviations`` (n, d): (n).

    With no noise and K < d it is −∞ for all that lies outside of the components.
    """
    count, d = components.shape
    scores = deviations @ components.T
    rest = np.maximum(0, np.square(deviations).sum(axis=1) - np.square(scores).sum(axis=1))
    distances = np.square(scores) @ (1 / variances)
    log_volume = np.log(variances).sum()
    if d > count:
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = distances + rest / noise
            log_volume = log_volume + (d - count) * np.log(noise)
    return -0.5 * (d * np.log(2 * np.pi) + log_volume + distances)
