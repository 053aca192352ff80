"""What methods are made of: ``METHODS[method, exchange](operator, exchange, count, config, basis)``, and the same on mini-batches."""

import numpy as np

from ..config import BATCH_TOL
from ..linalg.deflation import DEFLATIONS
from ..linalg.determination import Goals
from ..linalg.top1 import SOLVERS
from . import schedule
from .block_krylov import BlockKrylov
from .oja import Oja
from .orthogonal_iteration import OrthogonalIteration
from .parallel_deflation import VectorExchange
from .polished import Polished
from .ritz_exchange import RitzExchange
from .sampled_ritz import SampledRitz
from .step_size import automatic, constant, longest, on_batches
from .window_exchange import WindowExchange

LONGEST = 600.0  # seconds between two meetings of workers in windows, unless checkpoints are asked for more often


def _vectors(deflation=None, order=None):
    """Workers that exchange vectors, by a rule of deflation and a schedule, or as the options say."""
    def build(operator, exchange, count, config, basis):
        return VectorExchange(operator, exchange, count, *_improving(config), order or _schedule(config), *_deflating(config, deflation), _goals(config),
                              config.seed, bool(config.advance))
    return build


def _schedule(config):
    return schedule.all_at_once if config.advance or config.stagger is False else schedule.staggered


def _windows(deflation=None):
    """Workers that publish vectors in windows, by a rule of deflation or as the options say."""
    def build(operator, exchange, count, config, basis):
        return WindowExchange(operator, exchange, count, config.components, *_improving(config), *_deflating(config, deflation), _goals(config), config.seed,
                              config.max_rounds, config.max_staleness, config.cadence()[0] or LONGEST)
    return build


def _goals(config):
    return Goals(config.tol, config.components)


def _improving(config):
    return SOLVERS[config.top1 or "power"], config.local_steps or 1


def _deflating(config, deflation):
    """Rule and step size."""
    return (DEFLATIONS[deflation or config.deflation or "hotelling"],
            automatic if config.eta is None else constant(config.eta))


def _panel(kind):
    """Methods that end a round with Rayleigh–Ritz over the panel or more."""
    return lambda operator, exchange, count, config, basis: kind(operator, exchange, count, basis, _goals(config), config.seed)


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


def on_mini_batches(operator, batches, exchange, count, config, basis, rows):
    """The method that ``config`` asks for on mini-batches; with --polish, exact passes over all ``rows`` after it."""
    polishing = bool(config.polish)
    goals, last = _goals(config), config.max_rounds
    if polishing:  # at a tolerance that exact passes reach faster, or after as many rows as a pass has, they take over
        goals, last = Goals(max(config.tol, BATCH_TOL), config.components, np.inf), min(last, -(-rows // (batches.size * (config.local_steps or 1))))
    if config.is_ritz:
        sampled = SampledRitz(operator, batches, exchange, count, config.local_steps or 1, longest(config.eta), goals, last, config.seed)
    else:
        rule = "eigengame-mu" if config.method == "eigengame-mu" else config.deflation or "projection"
        sampled = Oja(operator, exchange, count, SOLVERS["oja"], config.local_steps or 1, _schedule(config), DEFLATIONS[rule],
                      on_batches(config.eta, config.steps_schedule), goals, config.seed, bool(config.advance), batches=batches, last=last)
    return Polished(sampled, RitzExchange(operator, exchange, count, basis, _goals(config), config.seed)) if polishing else sampled
