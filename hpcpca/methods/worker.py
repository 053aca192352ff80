"""What a worker that exchanges vectors does between two exchanges, and the options that say it."""

from collections.abc import Callable
from dataclasses import dataclass

from ..comm.late import LatencySettings
from ..errors import UsageError
from ..linalg.deflation import DEFLATIONS
from ..linalg.top1 import SOLVERS, TAKE_A_STEP, held_by
from ..options import Settings, option
from .method import Needs
from .schedule import all_at_once, staggered
from .step_size import automatic, constant


@dataclass(frozen=True)
class Top1Settings(Settings):
    """Exchange of vectors"""

    top1: str | None = option(
        f"What improves a vector: {', '.join(SOLVERS)} (default power, which is alternating least"
        " squares on pairs; with --batch-rows oja).",
        choices=SOLVERS,
        metavar="SOLVER",
    )

    @property
    def solver_vectors(self):
        """Vectors that the top1 solver holds beside each one."""
        return held_by(self.top1, self.local_steps or 1)


@dataclass(frozen=True)
class StepSettings(Settings):
    """Exchange of vectors"""

    local_steps: int | None = option(
        "Applications of Σ between two exchanges (default 1).", metavar="T", least=1
    )
    step_size: str | None = option(
        "η of --top1 hebb and of --batch-rows, in units of 1/variance; auto (default): by the"
        " eigenvalues.",
        metavar="ETA|auto",
    )

    @property
    def eta(self):
        """The step size in the data's own units, or None: scale-free."""
        return None if self.step_size in (None, "auto") else float(self.step_size)

    def check(self):
        """Raise UsageError if a step size is no number, or there is nothing that takes it."""
        takes_it = self.top1 in TAKE_A_STEP or self.batch_rows
        if self.step_size is not None and not takes_it:
            raise UsageError(
                "--step-size goes with --top1 hebb or --batch-rows; the other solvers have no step"
                " to choose"
            )
        try:
            if self.step_size not in (None, "auto") and not 0 < float(self.step_size) < float(
                "inf"
            ):
                raise ValueError
        except ValueError:
            raise UsageError(
                f"--step-size {self.step_size}: write auto, or a number above 0 such as 0.5"
            ) from None


@dataclass(frozen=True)
class DeflationSettings(Settings):
    """Exchange of vectors"""

    deflation: str | None = option(
        "How earlier components are removed: hotelling subtracts λvvᵀ (default), projection works"
        " in their orthogonal complement, pairs subtracts what their pairs fit of a regression's"
        " targets.",
        choices=DEFLATIONS,
    )

    def check(self):
        """Raise UsageError if pairs would be exchanged where workers have different rounds', or
        of different rows.
        """
        if self.deflation == "pairs" and (self.exchange != "vectors" or self.batch_rows):
            raise UsageError(
                "--deflation pairs goes with --exchange vectors and exact passes, where all know"
                " the same pairs of all"
            )


@dataclass(frozen=True)
class ScheduleSettings(Settings):
    """Exchange of vectors"""

    stagger: bool | None = option(
        "Component k starts in round k+1 (default), or all at once.", "--stagger/--no-stagger"
    )
    advance: bool | None = option(
        "All start at once, deflated only by those whose turn has come.", flag=True
    )

    @property
    def is_at_once(self):
        """Whether all workers work from the first round on."""
        return bool(self.advance) or self.stagger is False

    def check(self):
        """Raise UsageError if both options are given."""
        if self.stagger is not None and self.advance:
            raise UsageError(
                f"{self.typed('stagger')} and --advance both say when workers begin; give one of"
                " them"
            )


@dataclass(frozen=True)
class Worker:
    """What a worker does between two exchanges."""

    top1: Callable  # solver: see linalg/top1
    local_steps: int  # applications of Σ
    deflation: type  # what superiors take away: see linalg/deflation
    step_size: Callable  # (values (r), λ_0, exponent) → η (r)


def usual_schedule(settings):
    """When workers begin, as ``ScheduleSettings`` say."""
    return all_at_once if settings.is_at_once else staggered


def worker_of(settings, rule=None):
    """The ``Worker`` that deflates by a ``rule``, or as the options say if that is None."""
    return Worker(
        SOLVERS[settings.top1 or "power"],
        settings.local_steps or 1,
        rule or DEFLATIONS[settings.deflation or "hotelling"],
        automatic if settings.eta is None else constant(settings.eta),
    )


def needs_of(published=None, windows=False):
    """What vectors need: one panel of vectors, and one of images if inferiors' rule wants them;
    each twice, but in windows.
    """

    def needs(settings):
        count = published or (1 if settings.deflation in (None, "hotelling") else 2)
        if windows:
            return Needs(2, settings.solver_vectors + 3 * count, count)
        return Needs(2 * count, settings.solver_vectors)

    return needs


EXACT = tuple(name for name in SOLVERS if name != "oja")
# what EigenGame's operators, which are not symmetric, can be solved with
WITHOUT_SYMMETRY = ("power", "hebb")
STEPS = (Top1Settings, StepSettings, LatencySettings)
TURNS = (*STEPS, ScheduleSettings)
