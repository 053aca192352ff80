"""Covariances of prescribed spectrum and random eigenvectors, and how far vectors are from them."""

from dataclasses import dataclass

import numpy as np

from ...rng import unit_vectors
from ...sources.source import open_source


@dataclass(frozen=True)
class Problem:
    """Σ (d, d) with its K leading eigenvalues (K) and eigenvectors (K, d), and start vectors (K,
    d).
    """

    sigma: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    start: np.ndarray


def problem(values, d, count, seed):
    """A ``Problem`` whose Σ has the eigenvalues ``values``, and zeros up to d; eigenvectors and
    start are keyed by seed.
    """
    values = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng([seed, d]).standard_normal((d, len(values)))
    vectors = np.linalg.qr(drawn)[0].T
    return Problem(
        (vectors.T * values) @ vectors,
        values[:count],
        vectors[:count],
        unit_vectors(seed, range(count), d),
    )


def errors(found, true):
    """min over signs of ‖u_k − s·v_k‖ for every k: (K).

    The paper's error (eq. 10) is the root of their mean square.
    """
    signs = np.where(np.einsum("kd,kd->k", found, true) < 0, -1.0, 1.0)
    return np.linalg.norm(true - signs[:, None] * found, axis=1)


def covariance_of(data):
    """Σ (d, d), its eigenvalues (d) and eigenvectors (d, d) of HDF5 data, all in float64 and by
    LAPACK; raise DataError.
    """
    source = open_source(data)
    mean = mean_of(source)
    sigma = np.zeros((source.d, source.d))
    for place in source.pieces(0, len(source.blocks)):
        rows = _rows(source, *place) - mean
        sigma += rows.T @ rows
    sigma /= source.n - 1
    values, vectors = np.linalg.eigh(sigma)
    return sigma, values[::-1], vectors.T[::-1]


def mean_of(source):
    """The mean of all rows of a source: (d) float64."""
    return (
        sum(_rows(source, *place).sum(axis=0) for place in source.pieces(0, len(source.blocks)))
        / source.n
    )


def _rows(source, number, start, stop):
    return source.read(number, start, stop).rows.astype(np.float64)
