"""Methods that learn from mini-batches, alone or before exact passes (``--batch-rows``,
``--polish``).
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import UsageError
from ..linalg.deflation import DEFLATIONS, EigenGameMu
from ..linalg.determination import Goals
from ..linalg.top1 import SOLVERS
from ..options import Settings, option
from .measuring import Measuring
from .method import Needs, goals, register
from .oja import Oja
from .polished import Polished
from .ritz_exchange import RitzExchange
from .ritz_settings import HistorySettings
from .sampled_ritz import SampledRitz
from .step_size import SCHEDULES, longest, on_batches
from .worker import (
    DeflationSettings,
    ScheduleSettings,
    StepSettings,
    Top1Settings,
    Worker,
    usual_schedule,
)

BATCH_TOL = 1e-2  # asked for unless --tol says otherwise


@dataclass(frozen=True)
class BatchSettings(Settings):
    """Mini-batches"""

    polish: bool | None = option(
        "After mini-batches exact passes, to --tol.", flag=True, by_problem=True
    )

    def check(self):
        """Raise UsageError if history is asked for without exact passes, which alone have one."""
        if self.batch_rows and self.basis is not None and not self.polish:
            raise UsageError("--basis is history of exact passes; give --polish, or leave it out")


@dataclass(frozen=True)
class BatchStepSettings(Settings):
    """Mini-batches"""

    step_schedule: str | None = option(
        "How η changes on mini-batches; default: adaptive, or constant for a given η.",
        choices=SCHEDULES,
        by_problem=True,
    )

    @property
    def steps_schedule(self):
        """How steps change: as asked for, else adaptive if scale-free, constant if given."""
        return self.step_schedule or ("adaptive" if self.eta is None else "constant")


def batch_tol(settings):
    """The tolerance unless --tol says otherwise; None: that of exact passes."""
    return None if settings.polish else BATCH_TOL


def _measuring(settings, rows, batches):
    """When the method on mini-batches measures its state.

    With --polish exact passes take over then: at a tolerance that they reach faster, or after as
    many rows as a pass has.
    """
    asked, last = goals(settings), settings.max_rounds
    if settings.polish:
        asked = Goals(max(settings.tol, BATCH_TOL), settings.components, np.inf)
        last = min(last, -(-rows // (batches.size * (settings.local_steps or 1))))
    return Measuring(asked, last)


def _polished(sampled, operator, exchange, settings, basis):
    if not settings.polish:
        return sampled
    return Polished(
        sampled,
        RitzExchange(
            operator,
            exchange,
            sampled.count,
            basis,
            goals=goals(settings),
            seed=settings.seed,
        ),
    )


def sampled_ritz(operator, exchange, count, settings, basis, *, batches, rows):
    """Build the exchange of vectors and running means of images; ``rows`` is the number of all."""
    sampled = SampledRitz(
        operator,
        exchange,
        count,
        batches,
        local_steps=settings.local_steps or 1,
        longest_step=longest(settings.eta),
        measuring=_measuring(settings, rows, batches),
        seed=settings.seed,
    )
    return _polished(sampled, operator, exchange, settings, basis)


def oja_builder(rule=None):
    """Return a function that builds Oja's workers, with a rule of deflation or that of the options
    (default: projection).
    """

    def build(operator, exchange, count, settings, basis, *, batches, rows):
        worker = Worker(
            SOLVERS["oja"],
            settings.local_steps or 1,
            rule or DEFLATIONS[settings.deflation or "projection"],
            on_batches(settings.eta, settings.steps_schedule),
        )
        sampled = Oja(
            operator,
            exchange,
            count,
            worker,
            batches=batches,
            measuring=_measuring(settings, rows, batches),
            schedule=usual_schedule(settings),
            seed=settings.seed,
            advance=bool(settings.advance),
        )
        return _polished(sampled, operator, exchange, settings, basis)

    return build


def _needs(settings):
    return Needs(2, 4, has_history=bool(settings.polish))


def _needs_of_oja(settings):
    # measured to 1e-2 and 3e-2: 1.7 to 3.8 times as many rounds
    return replace(_needs(settings), slowness=2.5)


SOLVERS_ON_BATCHES = ("oja", "hebb")
_ALL = (StepSettings, BatchSettings, HistorySettings)
_TURNS = (*_ALL, Top1Settings, ScheduleSettings)

register(
    "parallel-deflation",
    "ritz",
    sampled_ritz,
    _ALL,
    on_batches=True,
    needs=_needs,
    tol=batch_tol,
)
for name, rule, settings in (
    ("parallel-deflation", None, (DeflationSettings,)),
    ("eigengame-mu", EigenGameMu, ()),
):
    register(
        name,
        "vectors",
        oja_builder(rule),
        (*_TURNS, *settings, BatchStepSettings),
        on_batches=True,
        needs=_needs_of_oja,
        solvers=SOLVERS_ON_BATCHES,
        tol=batch_tol,
        orthonormal_to=1e-2,
    )
