"""Principal components in Python: a result of ``fit``."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from ..errors import DataError, PlatformError, UsageError
from ..linalg import likelihood
from ..mapping.projection import Reconstruction, Scoring
from ..operators.centring import work_type
from ..operators.team import Team
from ..pca.scores import basis_of
from ..pca.settings import FitSettings
from ..sources.masked import unmasked
from .errors import names_of, python_errors
from .given import opened
from .labelled import dataset_of
from .projecting import kernels_of, threads_here, through
from .result import Result, lacking

TILE_BYTES = 8 << 20  # in float64 at a time
NAMES = names_of(FitSettings, {"components": "n_components"})


class Components(Result):
    """Principal components of a result, with scikit-learn's names.

    Methods compute in the process that calls them, without MPI; errors are ValueErrors.
    """

    @property
    def explained_variance_ratio_(self) -> np.ndarray:
        """Shares of the total variance (K)."""
        return self.arrays["explained_variance_ratio"]

    @property
    def singular_values_(self) -> np.ndarray:
        """Of the centred data (K); of a covariance there are none: AttributeError."""
        return self._of_rows("singular_values")

    @property
    def mean_(self) -> np.ndarray:
        """Means of the columns (d), in units of scaled ones with ``scale`` or ``column_weights``;
        of a covariance there are none: AttributeError.
        """
        return self._of_rows("mean")

    @property
    def n_features_in_(self) -> int:
        """How many columns rows have to have."""
        widths = {part["columns"] for part in self.contents.source}
        return widths.pop() if len(widths) == 1 else self.contents.d

    @property
    def n_samples_(self) -> int:
        """How many rows were fitted."""
        return int(self.attributes["n_samples"])

    @property
    def noise_variance_(self) -> float:
        """Variance that the components leave, over d − K; 0 if K = d."""
        return float(self.attributes.get("noise_variance", 0.0))

    def _of_rows(self, name):
        if name not in self.arrays:
            raise AttributeError(f"{self.contents.path} is of a covariance, and has no {name}")
        return self.arrays[name]

    def transform(self, X, *, whiten=False, n_components=None, threads=None) -> np.ndarray:
        """Return the scores (Y − 1μᵀ)Vᵀ of rows: (n, K), float32 for float32, float16 and integers
        up to 16 bits, else float64; raise ValueError.

        ``X`` is as of ``hpcpca.PCA.fit``, read as the rows fitted were. ``whiten`` divides scores
        by their standard deviations; ``n_components`` takes the first ones alone.
        """
        with python_errors(NAMES):
            basis = basis_of(self.contents, n_components, whiten=whiten)
            with opened(X, basis, basis.d) as source:
                work = work_type(source.dtype, False)
                vectors = self.components_[: basis.count].astype(work)
                form = basis.mean, source.dtype, basis.lengths, kernels_of(source)
                return through(
                    source,
                    lambda team: Scoring(vectors, *form, team=team),
                    basis.count,
                    work,
                    threads,
                )

    def inverse_transform(self, X, *, whiten=False) -> np.ndarray:
        """Return the rows SV + 1μᵀ that scores ``X`` (n, K) stand for: (n, d) of their type; raise
        ValueError. ``whiten`` says that scores are whitened.
        """
        with python_errors(NAMES):
            scores = unmasked(X)
            if scores.ndim != 2 or not 1 <= scores.shape[1] <= self.n_components_:
                raise UsageError(
                    f"scores of shape {scores.shape}: (n, {self.n_components_}) is needed"
                )
            basis = basis_of(self.contents, scores.shape[1], whiten=whiten)
            kind = scores.dtype if scores.dtype.kind == "f" else np.dtype(np.float64)
            scale = 1.0 if basis.learned.scale is None else basis.learned.scale
            scale = np.where(scale == 0, 1.0, scale)  # of columns without weight nothing is left
            vectors = (self.components_[: basis.count] / scale).astype(kind)
            team = Team(threads_here())
            try:
                restored = Reconstruction(vectors, basis.mean / scale, basis.lengths, team)
                return restored.into(scores, 0.0, np.empty((len(scores), basis.d), kind))
            finally:
                team.close()

    def get_covariance(self) -> np.ndarray:
        """Return the covariance (d, d) of the model: what the components leave is noise, alike in
        all directions (probabilistic PCA, Tipping and Bishop, 1999).
        """
        return likelihood.covariance(self.components_, *self._variances())

    def get_precision(self) -> np.ndarray:
        """Return the inverse of ``get_covariance``: (d, d)."""
        return likelihood.precision(self.components_, *self._variances())

    def score_samples(self, X) -> np.ndarray:
        """Return the log-likelihood of every row under the model: (n); raise ValueError."""
        with python_errors(NAMES):
            basis = basis_of(self.contents)
            with opened(X, basis, basis.d) as source:
                return through(source, self._likelihood, 1, np.float64)[:, 0]

    def score(self, X, y=None) -> float:
        """Return the mean log-likelihood of rows under the model."""
        return float(np.mean(self.score_samples(X)))

    def _variances(self):
        return self.explained_variance_, self.noise_variance_

    def _likelihood(self, team):
        return Likelihood(self.mean_, self.components_, *self._variances())

    def to_sklearn(self, *, whiten=False):
        """Return a ``sklearn.decomposition.PCA`` that is fitted with these components; raise
        ValueError if it could not do what was done to the rows, RuntimeError without scikit-learn.
        """
        with python_errors(NAMES):
            basis = basis_of(self.contents)
            done = basis.reading.asked() or list(basis.learned.arrays())
            if done:
                raise DataError(
                    f"rows were read with {', '.join(done)}, which scikit-learn's PCA does not do;"
                    " use transform"
                )
            made = _sklearn().PCA(n_components=self.n_components_, whiten=whiten)
        for name in (
            *("components_", "explained_variance_", "explained_variance_ratio_"),
            *("singular_values_", "mean_", "noise_variance_", "n_components_", "n_features_in_"),
            "n_samples_",
        ):
            value = getattr(self, name)
            setattr(made, name, value.copy() if isinstance(value, np.ndarray) else value)
        return made

    def to_xarray(self, like=None):
        """Return an ``xarray.Dataset`` of components, variances and errors; raise RuntimeError
        without xarray.

        ``like`` is a DataArray whose first dimension is that of the samples: its other ones, and
        their coordinates, are those of the components. Without it features are numbered.
        """
        with python_errors(NAMES):
            return dataset_of(self, like)


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihoods of rows, as a map to one column."""

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    noise: float

    def into(self, rows, largest, out):
        """out (r, 1) ← the log-likelihoods of rows (r, d)."""
        step = max(1, TILE_BYTES // (8 * rows.shape[1]))
        for start in range(0, len(rows), step):
            some = rows[start : start + step].astype(np.float64) - self.mean
            found = likelihood.of_rows(some, self.components, self.variances, self.noise)
            out[start : start + step, 0] = found


def _sklearn():
    try:
        return import_module("sklearn.decomposition")
    except ImportError:
        raise PlatformError(lacking("scikit-learn", "sklearn")) from None
