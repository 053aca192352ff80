"""The methods that users choose from, what each takes and what each needs."""

from collections.abc import Callable
from dataclasses import dataclass

from ..comm.late import LatencySettings
from ..linalg.deflation import DEFLATIONS, EigenGameAlpha, EigenGameMu
from ..linalg.determination import Goals
from ..linalg.top1 import SOLVERS
from . import schedule
from .block_krylov import BlockKrylov
from .mini_batches import BatchSettings, BatchStepSettings, batch_tol, oja, oja_mu, sampled_ritz
from .orthogonal_iteration import OrthogonalIteration
from .parallel_deflation import (
    DeflationSettings,
    ScheduleSettings,
    StepSettings,
    Top1Settings,
    VectorExchange,
    Worker,
    usual_schedule,
)
from .ritz_exchange import HistorySettings, RitzExchange, WarmStartSettings
from .step_size import automatic, constant
from .window_exchange import Limits, WindowExchange, WindowSettings

# seconds between two meetings of workers in windows, unless checkpoints are asked for more often
LONGEST = 600.0


@dataclass(frozen=True)
class Needs:
    """What the cost model has to know of a method: vectors of length d that it holds."""

    panels: int = 0  # once per node, as many as the panel has
    own: int = 0  # beside each worker's own
    private: int = 0  # panels that every rank holds for itself
    has_history: bool = False


@dataclass(frozen=True)
class Method:
    """How a method is built, and the Settings whose options it takes.

    ``build(operator, exchange, count, settings, basis)`` → the method; on mini-batches it is given
    ``batches`` and the number of ``rows`` besides. ``solvers`` are the top1 solvers that it takes,
    ``tol(settings)`` its usual tolerance.
    """

    build: Callable
    settings: tuple
    needs: Callable = lambda settings: Needs(has_history=True)
    solvers: tuple = ()
    tol: Callable = lambda settings: None
    orthonormal_to: float = 1e-8  # max|VVᵀ−I| of a converged run


def _goals(settings):
    return Goals(settings.tol, settings.components)


def _panel(kind):
    """Methods whose rounds end in Rayleigh–Ritz over the panel or more."""
    return lambda operator, exchange, count, settings, basis: kind(
        operator, exchange, count, basis, _goals(settings), settings.seed
    )


def _worker(settings, rule):
    """The ``Worker`` that deflates by a ``rule``, or as the options say if that is None."""
    return Worker(
        SOLVERS[settings.top1 or "power"],
        settings.local_steps or 1,
        rule or DEFLATIONS[settings.deflation or "hotelling"],
        automatic if settings.eta is None else constant(settings.eta),
    )


def _vectors(rule=None, order=None):
    """Workers that exchange vectors, by a rule of deflation and a schedule, or as the options
    say.
    """

    def build(operator, exchange, count, settings, basis):
        return VectorExchange(
            operator,
            exchange,
            count,
            _worker(settings, rule),
            schedule=order or usual_schedule(settings),
            goals=_goals(settings),
            seed=settings.seed,
            advance=bool(settings.advance),
        )

    return build


def _windows(rule=None):
    """Workers that publish vectors in windows, by a rule of deflation or as the options say."""

    def build(operator, exchange, count, settings, basis):
        return WindowExchange(
            operator,
            exchange,
            count,
            _worker(settings, rule),
            goals=_goals(settings),
            seed=settings.seed,
            limits=Limits(
                settings.max_rounds, settings.max_staleness, settings.cadence()[0] or LONGEST
            ),
        )

    return build


def _needs(published=None, windows=False):
    """What vectors need: one panel of vectors, and one of images if inferiors' rule wants them;
    each twice, but in windows.
    """

    def needs(settings):
        count = published or (2 if settings.deflation == "projection" else 1)
        if windows:
            return Needs(2, settings.solver_vectors + 3 * count, count)
        return Needs(2 * count, settings.solver_vectors)

    return needs


def _batch_needs(settings):
    return Needs(2, 4, has_history=bool(settings.polish))


EXACT = tuple(name for name in SOLVERS if name != "oja")
WITHOUT_SYMMETRY = (
    "power",
    "hebb",
)  # what EigenGame's operators, which are not symmetric, can be solved with
ON_BATCHES = ("oja", "hebb")
_STEPS = (Top1Settings, StepSettings, LatencySettings)
_TURNS = (*_STEPS, ScheduleSettings)

METHODS = {
    ("parallel-deflation", "ritz"): Method(
        _panel(RitzExchange), (HistorySettings, WarmStartSettings)
    ),
    ("parallel-deflation", "vectors"): Method(
        _vectors(), (*_TURNS, DeflationSettings), _needs(), EXACT, orthonormal_to=1e-2
    ),
    ("parallel-deflation", "window"): Method(
        _windows(), (*_STEPS, DeflationSettings, WindowSettings), _needs(windows=True), EXACT
    ),
    ("sequential-deflation", "vectors"): Method(
        _vectors(order=schedule.sequential),
        (*_STEPS, DeflationSettings),
        _needs(),
        EXACT,
        orthonormal_to=1e-2,
    ),
    ("eigengame-alpha", "vectors"): Method(
        _vectors(EigenGameAlpha), _TURNS, _needs(2), WITHOUT_SYMMETRY, orthonormal_to=1e-2
    ),
    ("eigengame-alpha", "window"): Method(
        _windows(EigenGameAlpha), (*_STEPS, WindowSettings), _needs(2, True), WITHOUT_SYMMETRY
    ),
    ("eigengame-mu", "vectors"): Method(
        _vectors(EigenGameMu), _TURNS, _needs(1), WITHOUT_SYMMETRY, orthonormal_to=1e-2
    ),
    ("eigengame-mu", "window"): Method(
        _windows(EigenGameMu), (*_STEPS, WindowSettings), _needs(1, True), WITHOUT_SYMMETRY
    ),
    ("orthogonal-iteration", "ritz"): Method(_panel(OrthogonalIteration), (WarmStartSettings,)),
    ("block-krylov", "ritz"): Method(_panel(BlockKrylov), (HistorySettings, WarmStartSettings)),
}

_BATCHES = (StepSettings, BatchSettings, HistorySettings)
MINI_BATCHES = {  # with --batch-rows
    ("parallel-deflation", "ritz"): Method(sampled_ritz, _BATCHES, _batch_needs, tol=batch_tol),
    ("parallel-deflation", "vectors"): Method(
        oja(),
        (*_BATCHES, Top1Settings, ScheduleSettings, DeflationSettings, BatchStepSettings),
        _batch_needs,
        ON_BATCHES,
        batch_tol,
        1e-2,
    ),
    ("eigengame-mu", "vectors"): Method(
        oja_mu,
        (*_BATCHES, Top1Settings, ScheduleSettings, BatchStepSettings),
        _batch_needs,
        ON_BATCHES,
        batch_tol,
        1e-2,
    ),
}
PARTS = tuple(
    dict.fromkeys(
        part for method in (*METHODS.values(), *MINI_BATCHES.values()) for part in method.settings
    )
)
NAMES = tuple(dict.fromkeys(name for name, _ in METHODS))
EXCHANGES = tuple(dict.fromkeys(exchange for _, exchange in METHODS))
