"""Methods by the name of their exchange."""

from ..linalg.top1 import SOLVERS
from .parallel_deflation import VectorExchange
from .ritz_exchange import RitzExchange


def vectors(operator, exchange, count, config, basis, kernels):
    """The paper's parallel deflation."""
    return VectorExchange(operator, exchange, count, SOLVERS[config.top1 or "power"], config.local_steps or 1,
                          config.stagger is not False, config.seed, kernels)


def ritz(operator, exchange, count, config, basis, kernels):
    """Parallel deflation with a Rayleigh–Ritz step a round."""
    return RitzExchange(operator, exchange, count, basis, config.tol, config.seed)


METHODS = {"vectors": vectors, "ritz": ritz}
ORTHONORMAL_TO = {"vectors": 1e-2, "ritz": 1e-8}  # max|VVᵀ−I| of a converged run
