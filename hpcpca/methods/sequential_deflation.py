"""Sequential deflation: one worker after the other, on what its superiors have left when they are
done (Mackey 2008), or when their share of a budget is used up (One Rank at a Time, arXiv
2505.22602).
"""

from dataclasses import dataclass

from ..errors import UsageError
from ..options import Settings, option
from .method import register
from .parallel_deflation import vector_builder
from .schedule import budgeted, sequential
from .worker import EXACT, STEPS, DeflationSettings, needs_of


@dataclass(frozen=True)
class BudgetSettings(Settings):
    """Sequential deflation"""

    budget: int | None = option(
        "Rounds of all components together, shared out beforehand; default: each as many as it"
        " takes.",
        metavar="N",
        least=1,
    )
    budget_slope: float | None = option(
        "How much more of it the first get: shares go from 1+A down to 1−A (default 0).",
        metavar="A",
    )

    def check(self):
        """Raise UsageError if shares would be negative, or of nothing."""
        if self.budget_slope is not None and self.budget is None:
            raise UsageError(f"--budget-slope {self.budget_slope} goes with --budget")
        if self.budget_slope is not None and not -1 <= self.budget_slope <= 1:
            raise UsageError(f"--budget-slope {self.budget_slope}: a number from -1 to 1 is needed")


def build(operator, exchange, count, settings, basis):
    """Return workers that take turns."""
    schedule = sequential
    if settings.budget is not None:
        schedule = budgeted(settings.budget, settings.budget_slope or 0.0)
    made = vector_builder(schedule=schedule)
    return made(operator, exchange, count, settings, basis)


register(
    "sequential-deflation",
    "vectors",
    build,
    (*STEPS, DeflationSettings, BudgetSettings),
    needs=needs_of(),
    solvers=EXACT,
    orthonormal_to=1e-2,
    guards=False,
)
