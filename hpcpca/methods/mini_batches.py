"""Methods that learn from mini-batches, alone or before exact passes (``--batch-rows``,
``--polish``).
"""

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..linalg.deflation import DEFLATIONS, EigenGameMu
from ..linalg.determination import Goals
from ..linalg.top1 import SOLVERS
from ..options import Settings, option
from .measuring import Measuring
from .oja import Oja
from .parallel_deflation import Worker, usual_schedule
from .polished import Polished
from .ritz_exchange import RitzExchange
from .sampled_ritz import SampledRitz
from .step_size import SCHEDULES, longest, on_batches

BATCH_TOL = 1e-2  # asked for unless --tol says otherwise


@dataclass(frozen=True)
class BatchSettings(Settings):
    """Mini-batches"""

    polish: bool | None = option("After mini-batches exact passes, to --tol.", flag=True)

    def check(self):
        """Raise UsageError if history is asked for, and there are no exact passes that would
        have one.
        """
        if self.batch_rows and self.basis is not None and not self.polish:
            raise UsageError("--basis is history of exact passes; give --polish, or leave it out")


@dataclass(frozen=True)
class BatchStepSettings(Settings):
    """Mini-batches"""

    step_schedule: str | None = option(
        "How η changes on mini-batches; default: adaptive, or constant for a given η.",
        choices=SCHEDULES,
    )

    @property
    def steps_schedule(self):
        """How steps change: as asked for, else adaptive if scale-free, constant if given."""
        return self.step_schedule or ("adaptive" if self.eta is None else "constant")


def batch_tol(settings):
    """The tolerance unless --tol says otherwise; None: that of exact passes."""
    return None if settings.polish else BATCH_TOL


def _measuring(settings, rows, batches):
    """When the method on mini-batches measures, and ends if that is good enough.

    With --polish exact passes take over, at a tolerance that they reach faster, or after as many
    rows as a pass has.
    """
    goals, last = Goals(settings.tol, settings.components), settings.max_rounds
    if settings.polish:
        goals = Goals(max(settings.tol, BATCH_TOL), settings.components, np.inf)
        last = min(last, -(-rows // (batches.size * (settings.local_steps or 1))))
    return Measuring(goals, last)


def _polished(sampled, operator, exchange, count, settings, basis):
    if not settings.polish:
        return sampled
    return Polished(
        sampled,
        RitzExchange(
            operator,
            exchange,
            count,
            basis,
            Goals(settings.tol, settings.components),
            settings.seed,
        ),
    )


def sampled_ritz(operator, exchange, count, settings, basis, batches, rows):
    """Vectors and running means of images are exchanged; ``rows`` are all that there are."""
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
    return _polished(sampled, operator, exchange, count, settings, basis)


def oja(rule=None):
    """Return what builds Oja's workers, by a rule of deflation or as the options say (default:
    projection).
    """

    def build(operator, exchange, count, settings, basis, batches, rows):
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
        return _polished(sampled, operator, exchange, count, settings, basis)

    return build


oja_mu = oja(EigenGameMu)
