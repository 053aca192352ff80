"""What estimators are to scikit-learn: its own classes where it is installed, else as much of them
as programs use.
"""

import inspect
from functools import partial

import numpy as np

from ..sources.masked import unmasked
from .given import is_paths

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        MultiOutputMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data

    HAS_SKLEARN = True
except ImportError:
    HAS_SKLEARN = False

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name."""

        def get_params(self, deep=True):
            """Return {parameter: its value}."""
            names = list(inspect.signature(type(self).__init__).parameters)[1:]
            return {name: getattr(self, name) for name in names}

        def set_params(self, **changes):
            """Set parameters; raise ValueError for one that there is not."""
            known = self.get_params()
            for name, value in changes.items():
                if name not in known:
                    raise ValueError(f"{name} is no parameter of {type(self).__name__}")
                setattr(self, name, value)
            return self

        def __repr__(self):
            given = inspect.signature(type(self).__init__).parameters
            said = ", ".join(
                f"{name}={value!r}"
                for name, value in self.get_params().items()
                if value is not given[name].default
            )
            return f"{type(self).__name__}({said})"

    class TransformerMixin:  # type: ignore[no-redef]
        """Both at once."""

        def fit_transform(self, X, y=None):
            """Return the scores of the rows that are fitted."""
            return self.fit(X, y).transform(X)

    class RegressorMixin:  # type: ignore[no-redef]
        """R² of predictions."""

        def score(self, X, y, sample_weight=None):
            """Return R² of what is predicted from rows, uniformly averaged over the targets."""
            y = np.asarray(y, dtype=float).reshape(len(y), -1)
            weigh = partial(np.average, axis=0, weights=sample_weight)
            left = weigh(np.square(y - self.predict(X).reshape(y.shape)))
            return float(np.mean(1 - left / weigh(np.square(y - weigh(y)))))

    class MultiOutputMixin:  # type: ignore[no-redef]
        """Several targets are taken."""

    class ClassNamePrefixFeaturesOutMixin:  # type: ignore[no-redef]
        """Names of the scores."""

        def get_feature_names_out(self, input_features=None):
            """Return pca0, pca1, …"""
            name = type(self).__name__.lower()
            return np.array([f"{name}{number}" for number in range(self._n_features_out)], object)

    def check_is_fitted(estimator):
        """Raise ValueError unless it is."""
        if not hasattr(estimator, "result_"):
            raise ValueError(f"this {type(estimator).__name__} is not fitted yet; call fit first")


class OfResult:
    """What a fitted estimator has of its ``result_``: all names that end with one underscore."""

    def __getattr__(self, name):
        if not name.endswith("_") or name.startswith("_") or name == "result_":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if "result_" not in vars(self):
            raise AttributeError(f"{name} is there after fit")
        return getattr(self.result_, name)


__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "MultiOutputMixin",
    "OfResult",
    "RegressorMixin",
    "TransformerMixin",
    "check_is_fitted",
    "looked_at",
    "targets_of",
]


def looked_at(estimator, X, *, reset, least=1):
    """Return ``X`` after scikit-learn's look at arrays, lists and data frames: their sizes and the
    names of columns are compared with those fitted, or kept (``reset``). What is read in pieces,
    or by a path, and samples that are no rows of features, are as they were. There have to be
    ``least`` rows.
    """
    X = _shown(X)
    are_rows = getattr(X, "ndim", 2) <= 2 and estimator.samples_axis in (0, -2)
    if not HAS_SKLEARN or _is_read_in_pieces(X) or not are_rows:
        return X
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        allow_nd=True,
        ensure_all_finite=False,  # the engine looks while it reads, and says where
        ensure_min_samples=least,
        dtype="numeric",
    )


def targets_of(estimator, y):
    """Return targets after scikit-learn's look at them; raise ValueError if there are none."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    y = _shown(y)
    if not HAS_SKLEARN or _is_read_in_pieces(y):
        return y
    return check_array(
        y,
        ensure_2d=False,
        allow_nd=True,
        accept_sparse="csr",
        ensure_all_finite=False,
        input_name="y",
    )


def _shown(data):
    """Lists and masked arrays as plain arrays, which scikit-learn would not look beneath."""
    is_list = isinstance(data, list | tuple) and not is_paths(data)
    return unmasked(data) if is_list or isinstance(data, np.ma.MaskedArray) else data


def _is_read_in_pieces(data):
    """Whether ``data`` are paths, or such that they had better not be made an array at once."""
    return is_paths(data) or (
        hasattr(data, "dtype")
        and hasattr(data, "shape")
        and not (isinstance(data, np.ndarray) or hasattr(data, "tocsr") or hasattr(data, "iloc"))
    )
