"""What methods are made of: ``METHODS[method, exchange](operator, exchange, count, config, basis)``."""

from ..linalg.deflation import DEFLATIONS
from ..linalg.top1 import SOLVERS
from . import schedule
from .block_krylov import BlockKrylov
from .orthogonal_iteration import OrthogonalIteration
from .parallel_deflation import VectorExchange
from .ritz_exchange import RitzExchange
from .step_size import automatic, constant
from .window_exchange import WindowExchange

LONGEST = 600.0  # seconds between two meetings of workers in windows, unless checkpoints are asked for more often


def _vectors(deflation=None, order=None):
    """Workers that exchange vectors, by a rule of deflation and a schedule, or as the options say."""
    def build(operator, exchange, count, config, basis):
        when = order or (schedule.all_at_once if config.stagger is False else schedule.staggered)
        return VectorExchange(operator, exchange, count, *_improving(config), schedule.all_at_once if config.advance else when,
                              *_deflating(config, deflation), config.tol, config.seed, bool(config.advance))
    return build


def _windows(deflation=None):
    """Workers that publish vectors in windows, by a rule of deflation or as the options say."""
    def build(operator, exchange, count, config, basis):
        return WindowExchange(operator, exchange, count, config.components, *_improving(config), *_deflating(config, deflation), config.tol, config.seed,
                              config.max_rounds, config.max_staleness, config.cadence()[0] or LONGEST)
    return build


def _improving(config):
    return SOLVERS[config.top1 or "power"], config.local_steps or 1


def _deflating(config, deflation):
    """Rule and step size."""
    return (DEFLATIONS[deflation or config.deflation or "hotelling"],
            automatic if config.step_size in (None, "auto") else constant(float(config.step_size)))


def _panel(kind):
    """Methods that end a round with Rayleigh–Ritz over the panel or more."""
    return lambda operator, exchange, count, config, basis: kind(operator, exchange, count, basis, config.tol, config.seed)


METHODS = {
    ("parallel-deflation", "ritz"): _panel(RitzExchange),
    ("parallel-deflation", "vectors"): _vectors(),
    ("parallel-deflation", "window"): _windows(),
    ("sequential-deflation", "vectors"): _vectors(order=schedule.sequential),
    ("eigengame-alpha", "vectors"): _vectors("eigengame-alpha"),
    ("eigengame-alpha", "window"): _windows("eigengame-alpha"),
    ("eigengame-mu", "vectors"): _vectors("eigengame-mu"),
    ("eigengame-mu", "window"): _windows("eigengame-mu"),
    ("orthogonal-iteration", "ritz"): _panel(OrthogonalIteration),
    ("block-krylov", "ritz"): _panel(BlockKrylov),
}
ORTHONORMAL_TO = {"vectors": 1e-2, "ritz": 1e-8, "window": 1e-8}  # max|VVᵀ−I| of a converged run
