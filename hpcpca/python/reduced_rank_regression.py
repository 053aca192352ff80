"""Low-rank regression as an estimator of scikit-learn's kind."""

from importlib import import_module

from ..regression.settings import RegressSettings
from ..sources.masked import unmasked
from .base import (
    BaseEstimator,
    MultiOutputMixin,
    OfResult,
    RegressorMixin,
    check_is_fitted,
    looked_at,
    targets_of,
)
from .errors import python_errors
from .given import is_paths, named
from .pairs import NAMES, Pairs
from .parameters import config_of, parameters_of
from .session import at_the_door, carried_out

LEFT_OUT = ("covariance", "inputs", "targets")


@parameters_of(RegressSettings, "rank", LEFT_OUT)
class ReducedRankRegression(MultiOutputMixin, RegressorMixin, OfResult, BaseEstimator):
    """Prediction of many targets through ``rank`` pairs, by the engine of 'hpcpca regress'.

    ``rank`` is a number or "auto"; None takes all pairs there are. All other parameters are options
    of 'hpcpca regress', with its defaults (docs/commands.md): ``ridge``, ``whiten``, ``tol`` and so
    on. Under mpiexec all ranks call ``fit`` with the same data; all have the result.
    """

    result_: Pairs

    def fit(self, X, y):
        """Find the pairs between inputs ``X`` (n, d) and targets ``y`` (n, q) or (n); return the
        estimator. Both are as of ``PCA.fit``. Raise ValueError. Collective.
        """
        with python_errors(NAMES):
            with at_the_door():
                X = looked_at(self, X, reset=True, least=2)
                inputs, arrays = named(X, "X")
                y = targets_of(self, y)
                self._is_flat = not is_paths(y) and len(getattr(y, "shape", ())) == 1
                y = unmasked(y).reshape(-1, 1) if self._is_flat else y
                targets, more = named(y, "Y")
                is_all = self.rank is None
                data = {"data": inputs, "targets": targets}
                config, held, _ = config_of(self, 1 if is_all else self.rank, data)
            contents = carried_out(_problem, config, arrays | more | held, is_all=is_all)
        self.result_ = Pairs(contents)
        self.n_features_in_ = self.result_.n_features_in_
        return self

    def predict(self, X):
        """Return what the pairs predict from rows: (n, q), or (n) if one list was fitted."""
        check_is_fitted(self)
        found = self.result_.predict(looked_at(self, X, reset=False))
        return found[:, 0] if self._is_flat else found

    def score(self, X, y, sample_weight=None):
        """Return R² of what is predicted from rows, uniformly averaged over the targets."""
        return super().score(X, unmasked(y), sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _problem():
    return import_module("hpcpca.regression.problem").PROBLEM
