"""Rank-one pairs in Python: a result of ``regress``."""

import numpy as np

from ..mapping.projection import Reconstruction, Scoring
from ..operators.centring import work_type
from ..regression.model import Prediction, model_of
from ..regression.settings import RegressSettings
from .errors import names_of, python_errors
from .given import opened
from .projecting import kernels_of, through
from .result import Result

NAMES = names_of(RegressSettings, {"components": "rank"})


class Pairs(Result):
    """Pairs of inputs and targets of a result; methods compute in the process that calls them."""

    @property
    def inputs_(self) -> np.ndarray:
        """Weights of the inputs, scaled as ``strength_`` says: (R, d)."""
        return self.arrays["inputs"]

    @property
    def strength_(self) -> np.ndarray:
        """Singular values of the fitted values, or of what ``whiten`` asks for: (R)."""
        return self.arrays["strength"]

    @property
    def r2_(self) -> np.ndarray:
        """R² of the first 1, 2, … R pairs on the rows fitted: (R)."""
        return self.arrays["r2"]

    @property
    def coef_(self) -> np.ndarray:
        """Coefficients as scikit-learn's linear models have them: (q, d)."""
        return self.components_.T @ self.inputs_

    @property
    def intercept_(self) -> np.ndarray:
        """What is added to X·coef_ᵀ: (q)."""
        return self.arrays.get("intercept", np.zeros(self.components_.shape[1]))

    @property
    def n_features_in_(self) -> int:
        """How many inputs rows have to have."""
        widths = {p["columns"] for p in self.contents.source if p.get("role") != "targets"}
        return widths.pop() if len(widths) == 1 else int(self.attributes["n_inputs"])

    def predict(self, X, *, rank=None, threads=None) -> np.ndarray:
        """Return what the pairs, or the first ``rank`` of them, predict from rows: (n, q); raise
        ValueError. ``X`` is as of ``hpcpca.ReducedRankRegression.fit``.
        """
        with python_errors(NAMES):
            model = model_of(self.contents, rank)
            with opened(X, model, model.inputs) as source:
                work, ones = work_type(source.dtype, False), np.ones(model.count)
                inputs, components = (
                    each[: model.count].astype(work) for each in (self.inputs_, self.components_)
                )
                form = model.input_mean, source.dtype, ones, kernels_of(source)

                def method(team):
                    return Prediction(
                        Scoring(inputs, *form, team=team),
                        Reconstruction(components, model.target_mean, ones, team),
                        model.count,
                    )

                return through(source, method, model.targets, work, threads)
