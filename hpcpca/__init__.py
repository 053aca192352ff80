"""Leading principal components of HDF5 data by parallel deflation over MPI (arXiv 2502.17615)."""

from ._version import __version__

__all__ = ["__version__"]
