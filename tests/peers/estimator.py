"""``hpcpca.PCA`` with the parameters of scikit-learn's."""

import warnings

import numpy as np
from scipy import sparse

import hpcpca

# A solver of scikit-learn's is a way to hold Σ here, so that its parametrisations go through all.
OPERATORS = {"full": "in-memory", "covariance_eigh": "gram", "arpack": "streaming"}
OF_SPARSE = {"covariance_eigh": "gram", "arpack": "sparse"}
Refused = ValueError


class PCA(hpcpca.PCA):
    """As ``hpcpca.PCA(tol=1e-12)``."""

    def __init__(
        self,
        n_components=None,
        *,
        copy=True,
        whiten=False,
        svd_solver="auto",
        iterated_power="auto",
        n_oversamples=10,
        random_state=None,
    ):
        super().__init__(n_components, whiten=whiten, tol=1e-12)
        self.copy, self.svd_solver, self.random_state = copy, svd_solver, random_state
        self.iterated_power, self.n_oversamples = iterated_power, n_oversamples

    def fit(self, X, y=None):
        """As of ``hpcpca.PCA``, held as the solver says."""
        known = OF_SPARSE if sparse.issparse(X) else OPERATORS
        asked = self.n_components
        try:
            if asked is None and self.svd_solver == "arpack":
                self.n_components = min(np.shape(X)) - 1
            self.operator, self.seed = known.get(self.svd_solver, "auto"), self._seed()
            with warnings.catch_warnings():  # as exact as rounding lets
                warnings.simplefilter("ignore", hpcpca.NotConverged)
                return super().fit(X)
        finally:
            self.n_components = asked

    def _seed(self):
        if isinstance(self.random_state, np.random.RandomState):
            return self.random_state.randint(1 << 30)
        return self.random_state or 0
