"""Leading principal components of HDF5 data by parallel deflation over MPI (arXiv 2502.17615).

From Python: ``load`` reads a result; ``PCA`` and ``ReducedRankRegression`` are estimators as
scikit-learn has them. What is not used is not imported, and MPI is started by the first fit.
"""

from importlib import import_module

from ._version import __version__

FOUND_IN = {"load": ".python.loading"}  # name: its module

__all__ = ["__version__", *FOUND_IN]


def __getattr__(name):
    """Import a name when it is first asked for."""
    if name not in FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(FOUND_IN[name], __name__), name)


def __dir__():
    return sorted(__all__)
