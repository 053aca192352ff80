"""scikit-learn's PCA with the command line behind it: data go out as files, ``hpcpca`` computes,
results are read from its files.

``mean_``, components and variances are those of the result file; scores and rows are what
``transform`` and ``reconstruct`` write. Covariances and likelihoods are scikit-learn's formulas on
these numbers.
"""

import itertools

import h5py
import numpy as np
from launch import run
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.decomposition._base import _BasePCA

RANKS = 0  # one process: that several give the same is tested elsewhere
# A solver of scikit-learn's is a way to hold Σ here, so that its parametrisations go through all.
OPERATORS = {"full": "in-memory", "covariance_eigh": "gram", "arpack": "streaming"}
OF_SPARSE = {"covariance_eigh": "gram", "arpack": "sparse"}


class Refused(ValueError):
    """A command ended with an exit code that says that it has done nothing."""


class CommandLine(_BasePCA):
    """PCA by ``hpcpca fit --tol 1e-12``. ``folder`` is set before one is made."""

    folder = None
    numbers = itertools.count()

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
        self.n_components, self.copy, self.whiten = n_components, copy, whiten
        self.svd_solver, self.random_state = svd_solver, random_state
        self.iterated_power, self.n_oversamples = iterated_power, n_oversamples

    def fit(self, X, y=None):
        """Run ``hpcpca fit`` on the rows of ``X``."""
        data, shape = self._written(X)
        known = OF_SPARSE if sparse.issparse(X) else OPERATORS
        options = ["-k", self._count(shape), "--tol", 1e-12, "--seed", self._seed()]
        self._result = self._new("result")
        options += ["--operator", known.get(self.svd_solver, "auto"), "-o", self._result]
        self._do((0, 4), "fit", data, *options, "--no-checkpoint")  # 4: as exact as rounding lets
        with h5py.File(self._result) as file:
            for name in ("explained_variance", "explained_variance_ratio", "singular_values"):
                setattr(self, f"{name}_", file[name][:])
            self.components_, self.mean_ = file["components"][:], file["mean"][:]
            # there is none if K = d; scikit-learn has 0 then
            self.noise_variance_ = float(file.attrs.get("noise_variance", 0))
            self.n_samples_ = int(file.attrs["n_samples"])
            self.n_features_in_ = int(file.attrs["n_features"])
        self.n_components_, self._scores = len(self.components_), []
        return self

    def transform(self, X):
        """Scores of ``X``, by ``hpcpca transform``."""
        out = self._new("scores")
        whiten = ["--whiten"] * self.whiten
        self._do((0,), "transform", self._result, self._written(X)[0], "-o", out, *whiten)
        with h5py.File(out) as file:
            scores = file["scores"][:]
        self._scores.append((scores, out))
        return scores

    def fit_transform(self, X, y=None):
        """Both of them."""
        return self.fit(X).transform(X)

    def inverse_transform(self, X):
        """Rows from scores that ``transform`` has given, by ``hpcpca reconstruct``."""
        known = [path for scores, path in self._scores if np.array_equal(scores, X)]
        if not known:
            raise Refused("'hpcpca reconstruct' takes scores of 'hpcpca transform' alone")
        out = self._new("rows")
        self._do((0,), "reconstruct", self._result, known[0], "-o", out)
        with h5py.File(out) as file:
            return file["data"][:]

    score_samples, score = PCA.score_samples, PCA.score

    def _count(self, shape):
        """What -k is: None means all, as scikit-learn has it."""
        if self.n_components is None:
            return min(shape) - (self.svd_solver == "arpack")
        return self.n_components

    def _seed(self):
        if isinstance(self.random_state, np.random.RandomState):
            return self.random_state.randint(1 << 30)
        return self.random_state or 0

    def _new(self, kind):
        return self.folder / f"{next(self.numbers)}-{kind}.h5"

    def _written(self, X):
        """(path, shape) of rows: a dataset, or a group as anndata writes CSR."""
        path = self._new("data")
        with h5py.File(path, "w") as file:
            if sparse.issparse(X):
                rows = sparse.csr_array(X)
                group = file.create_group("X")
                group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
                group.attrs["shape"] = rows.shape
                for name in ("data", "indices", "indptr"):
                    group[name] = getattr(rows, name)
                return f"{path}:X", rows.shape
            file["X"] = np.asarray(X)
            return f"{path}:X", np.shape(X)

    def _do(self, codes, *words):
        done = run(RANKS, *words, "-q")
        if done.code not in codes:
            assert done.code in (2, 3), done.stderr
            raise Refused(done.stderr.strip())
