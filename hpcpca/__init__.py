"""Leading principal components of HDF5 data by parallel deflation over MPI (arXiv 2502.17615).

From Python: ``load`` reads a result; ``PCA`` and ``ReducedRankRegression`` are estimators as
scikit-learn has them. What is not used is not imported, and MPI is started by the first fit.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:  # nothing of it is imported before it is used
    from .python.errors import NotConverged
    from .python.loading import load
    from .python.pca import PCA
    from .python.reduced_rank_regression import ReducedRankRegression

FOUND_IN = {  # name: its module
    "load": ".python.loading",
    "NotConverged": ".python.errors",
    "PCA": ".python.pca",
    "ReducedRankRegression": ".python.reduced_rank_regression",
}

__all__ = ["PCA", "NotConverged", "ReducedRankRegression", "__version__", "load"]


def __getattr__(name):
    """Import a name when it is first asked for."""
    if name not in FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(FOUND_IN[name], __name__), name)


def __dir__():
    return sorted(__all__)
