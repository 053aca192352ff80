"""What methods are made of: ``METHODS[method, exchange](operator, exchange, count, config, basis)``."""

from ..linalg.deflation import DEFLATIONS
from ..linalg.top1 import SOLVERS
from . import schedule
from .block_krylov import BlockKrylov
from .orthogonal_iteration import OrthogonalIteration
from .parallel_deflation import VectorExchange
from .ritz_exchange import RitzExchange
from .step_size import automatic, constant


def _vectors(deflation=None, order=None):
    """Workers that exchange vectors, by a rule of deflation and a schedule, or as the options say."""
    def build(operator, exchange, count, config, basis):
        when = order or (schedule.all_at_once if config.stagger is False else schedule.staggered)
        return VectorExchange(operator, exchange, count, SOLVERS[config.top1 or "power"], config.local_steps or 1,
                              schedule.all_at_once if config.advance else when, DEFLATIONS[deflation or config.deflation or "hotelling"],
                              automatic if config.step_size in (None, "auto") else constant(float(config.step_size)),
                              config.tol, config.seed, bool(config.advance))
    return build


def _panel(kind):
    """Methods that end a round with Rayleigh–Ritz over the panel or more."""
    return lambda operator, exchange, count, config, basis: kind(operator, exchange, count, basis, config.tol, config.seed)


METHODS = {
    ("parallel-deflation", "ritz"): _panel(RitzExchange),
    ("parallel-deflation", "vectors"): _vectors(),
    ("sequential-deflation", "vectors"): _vectors(order=schedule.sequential),
    ("eigengame-alpha", "vectors"): _vectors("eigengame-alpha"),
    ("eigengame-mu", "vectors"): _vectors("eigengame-mu"),
    ("orthogonal-iteration", "ritz"): _panel(OrthogonalIteration),
    ("block-krylov", "ritz"): _panel(BlockKrylov),
}
ORTHONORMAL_TO = {"vectors": 1e-2, "ritz": 1e-8}  # max|VVᵀ−I| of a converged run
