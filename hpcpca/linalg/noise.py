"""What eigenvalues white noise alone would have: the Marchenko–Pastur law, and thresholds by it.

Noise of n rows and d columns and variance σ² has eigenvalues σ²·max(n, d)/n times what the law of
ratio β = min(n, d)/max(n, d) has, of which σ is found by the median.
"""

import numpy as np

POINTS = 20_000  # of the integral


def median(beta):
    """Return the median of the Marchenko–Pastur law of ratio ``beta``, in (0, 1]."""
    low, high = (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2
    # substituted so that the density has no infinite slopes, nor a pole at 0 if beta is 1
    angle = np.linspace(0, np.pi, POINTS)
    x = low + (high - low) * (1 - np.cos(angle)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        density = (high - low) ** 2 / 8 * np.sin(angle) ** 2 / (np.pi * beta * x)
    density[0] = density[1]
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.interp(mass[-1] / 2, mass, x))


def _noise(values, n, d):
    """(Variance of the noise times max(n, d)/n, β) by the median of eigenvalues (min(n, d))."""
    beta = min(n, d) / max(n, d)
    return float(np.median(values)) / median(beta), beta


def edge(values, n, d):
    """Return the largest eigenvalue that noise alone would have."""
    noise, beta = _noise(values, n, d)
    return noise * (1 + np.sqrt(beta)) ** 2


def hard_threshold(values, n, d):
    """Return the eigenvalue from which on keeping components makes the reconstruction better
    (Gavish and Donoho, 2014, for unknown noise).
    """
    noise, beta = _noise(values, n, d)
    root = np.sqrt(beta**2 + 14 * beta + 1)
    return noise * (2 * (beta + 1) + 8 * beta / (beta + 1 + root))
