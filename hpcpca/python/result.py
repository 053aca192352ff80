"""What results of all problems have in Python."""

import os

import numpy as np

from .contents import Contents
from .errors import python_errors
from .session import written

SAVING = (("--overwrite", "overwrite=True"),)  # what messages name, and what it is here


class Result:
    """A result in memory. Arrays that scikit-learn has go by its names; ``arrays`` has all that
    the file has, by the names there (docs/files.md), and ``attributes`` its root attributes.
    """

    def __init__(self, contents: Contents):
        self.contents = contents

    @property
    def arrays(self) -> dict:
        """{name: array} of all datasets of the result."""
        return self.contents.arrays

    @property
    def attributes(self) -> dict:
        """{name: value} of its root attributes."""
        return self.contents.attributes

    @property
    def config(self) -> dict:
        """Every option of the run, by its name."""
        return self.contents.config

    @property
    def outcome(self) -> str:
        """How the run ended: "converged", or another word of docs/fit.md."""
        return self.attributes["outcome"]

    @property
    def components_(self) -> np.ndarray:
        """Vectors as rows: (K, d) float64."""
        return self.arrays[self.contents.named]

    @property
    def explained_variance_(self) -> np.ndarray:
        """Eigenvalues (K)."""
        return self.arrays["explained_variance"]

    @property
    def residuals_(self) -> np.ndarray:
        """‖Σv − λv‖ / λ_0 of every vector (K), measured."""
        return self.arrays["residuals"]

    @property
    def angle_bounds_(self) -> np.ndarray:
        """Bounds on the sines of the angles to the true vectors (K)."""
        return self.arrays["angle_bounds"]

    @property
    def standing_(self) -> np.ndarray:
        """A word for every vector (K): "resolved", "not separated", "undetermined" or "none"."""
        return self.arrays["standing"].astype(str)

    @property
    def n_components_(self) -> int:
        """K."""
        return self.contents.count

    def save(self, path, *, overwrite=False) -> None:
        """Write the result as 'hpcpca fit' does, for every command to use; raise ValueError if that
        cannot be, or a file is there. Under mpiexec all ranks call it. Collective.
        """
        with python_errors(SAVING):
            written(self.contents, os.fspath(path), overwrite)

    def __repr__(self):
        count, d = self.components_.shape
        return f"<{type(self).__name__}: {count} of {d} features, {self.outcome}>"


def lacking(package, extra):
    """What to say where an optional package is missing."""
    return f"{package} is not installed; pip install 'hpcpca[{extra}]'"
