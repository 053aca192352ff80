"""Rows to draw mini-batches from: the authors' power law, and pictures in files."""

import numpy as np

from ...operators.minibatch import BATCHES, runs_of
from ...planning.plan import panel_width
from ...rng import stream, unit_vectors
from ...sources.random_rows import RowReader
from ...sources.source import open_source
from .problems import Problem, covariance_of, mean_of
from .problems import problem as prescribed

CACHE = 64 << 20


class PowerLaw:
    """Normal rows whose Σ has λ_k = k^−0.5, of rank K (arXiv 2502.17615, section 5); every batch
    is new.
    """

    name = "k^-0.5"

    def __init__(self, d, count):
        self._d, self._count = d, count

    def problem(self, seed):
        """The ``Problem``, with start vectors for K and guards as far as there are eigenvalues."""
        made = prescribed(np.arange(1.0, self._count + 1) ** -0.5, self._d, self._count, seed)
        root = (np.sqrt(made.values)[:, None] * made.vectors).astype(np.float32)

        def draw(size):
            return lambda *key: (
                stream(seed, BATCHES, *key).standard_normal((size, self._count), np.float32) @ root
            )

        return made, draw


class Rows:
    """Rows of HDF5 data, drawn as ``fit --batch-rows`` draws them."""

    def __init__(self, data, count):
        self.name = "data"
        self._source, self._count = open_source(data), count
        self._reader = RowReader(self._source, CACHE)
        self._sigma, self._values, self._vectors = covariance_of(data)
        self._mean = mean_of(self._source).astype(np.float32)

    def problem(self, seed):
        """As ``PowerLaw.problem``."""
        k, d = self._count, self._source.d
        made = Problem(
            self._sigma,
            self._values[:k],
            self._vectors[:k],
            unit_vectors(seed, range(panel_width(k, None, d, True)), d),
        )

        def draw(size):
            def rows(*key):
                found = np.concatenate(
                    list(self._reader.rows(runs_of(self._source.n, size, seed, *key)))
                ).astype(np.float32)
                found -= self._mean
                return found

            return rows

        return made, draw
