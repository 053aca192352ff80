"""Principal components as an estimator of scikit-learn's kind."""

from importlib import import_module

import numpy as np

from ..pca.known import Known
from ..pca.settings import FitSettings
from .base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OfResult,
    TransformerMixin,
    check_is_fitted,
    looked_at,
)
from .components import NAMES, Components
from .errors import python_errors
from .given import named
from .parameters import config_of, parameters_of
from .session import at_the_door, carried_out


@parameters_of(FitSettings, "n_components", whiten=False, warm_start=False)
class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OfResult, BaseEstimator):
    """The leading principal components of rows, by the engine of 'hpcpca fit'.

    ``n_components`` is a number, a share of the variance below 1, or "auto", "edge" or "parallel";
    None takes all there are. ``whiten`` divides scores by their standard deviations. All other
    parameters are options of 'hpcpca fit', with its defaults (docs/commands.md): ``tol``, ``seed``,
    ``nan``, ``scale``, ``operator`` and so on. Those that name a file there take arrays here:
    ``column_weights`` (d), ``init`` (vectors as rows), ``columns`` and ``rows``.

    ``init`` also takes a result, or its file, to begin from, ``extend`` one whose components stay
    as they are while others are added, ``update`` one that rows are folded into. With
    ``warm_start`` a fit begins from the last one's components.

    Under mpiexec all ranks call ``fit`` with the same data and share out its rows; all have the
    result. Everything else is computed by the process that calls it.
    """

    result_: Components

    def fit(self, X, y=None, *, row_weights=None):
        """Find the components of the rows of ``X``; return the estimator. Collective.

        ``X``: an array (n, d) or of more axes, memory maps, sparse ones, h5py datasets, paths. It
        is not changed; operator="mapped" uses rows where they lie, and copies none.
        ``row_weights`` (n) are weights in mean and variance. Raise ValueError for data that cannot
        be. A result that is not as exact as ``tol`` asks for gives the warning ``NotConverged``.
        """
        more = {} if row_weights is None else {"row_weights": row_weights}
        if self.warm_start and "result_" in vars(self):
            more["init"] = self.result_
        return self._fitted(X, self.n_components, more, reset=True)

    def partial_fit(self, X, y=None):
        """Fold new rows into what is fitted, without the old ones; return the estimator.

        Number, mean and total variance are those of all rows. What the components leave of the old
        rows is not known; ``residuals_`` and ``angle_bounds_`` bound what that may change. The
        first call is a fit. More components keep more of it. There are as many as before, or as
        ``n_components`` says if it has become another whole number. New rows are two or more, and
        not all alike. Collective.
        """
        if "result_" not in vars(self):
            return self.fit(X)
        asked = self.n_components
        asked = self.result_.n_components_ if isinstance(asked, str | float | None) else asked
        return self._fitted(X, asked, {"update": self.result_}, reset=False)

    def _fitted(self, X, asked, more, *, reset):
        with python_errors(NAMES):
            with at_the_door():
                X = looked_at(self, X, reset=reset, least=1 if self.no_centre or not reset else 2)
                data, arrays = named(X, "X")
                is_all = asked is None
                config, held, known = config_of(
                    self, 1 if is_all else asked, {"data": data}, **more
                )
                known = known and Known(known)
            contents = carried_out(_problem, config, arrays | held, is_all=is_all, known=known)
        self.result_ = Components(contents)
        self.n_features_in_ = self.result_.n_features_in_
        return self

    def transform(self, X):
        """Return the scores of rows: (n, K). As ``Components.transform``."""
        check_is_fitted(self)
        return self.result_.transform(looked_at(self, X, reset=False), whiten=self.whiten)

    def inverse_transform(self, X):
        """Return the rows (n, d) that scores (n, K) stand for."""
        check_is_fitted(self)
        return self.result_.inverse_transform(X, whiten=self.whiten)

    def score_samples(self, X):
        """Return the log-likelihood of every row under the model: (n)."""
        check_is_fitted(self)
        return self.result_.score_samples(looked_at(self, X, reset=False))

    def score(self, X, y=None):
        """Return the mean log-likelihood of rows under the model."""
        return float(np.mean(self.score_samples(X)))

    def get_covariance(self):
        """Return the covariance of the model: (d, d)."""
        check_is_fitted(self)
        return self.result_.get_covariance()

    def get_precision(self):
        """Return its inverse: (d, d)."""
        check_is_fitted(self)
        return self.result_.get_precision()

    @property
    def _n_features_out(self):
        return self.result_.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _problem():
    return import_module("hpcpca.pca.problem").PROBLEM
