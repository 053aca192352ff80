"""When a run ends, and when it goes on in double precision."""

import numpy as np

from ..linalg.determination import SHARE, UNDETERMINED, named
from ..linalg.search import WAITED
from ..methods.ritz_exchange import DONE

CONVERGED, EXHAUSTED, MAX_ROUNDS, INTERRUPTED, RUNNING = (
    "converged",
    "exhausted",
    "max_rounds",
    "interrupted",
    "running",
)
AT_ROUNDING = (  # nothing is left to gain, and some components are still not determined
    "undetermined"
)
FLOOR = 1e-5  # residuals above this do not sit at the float32 floor
PATIENCE = 4  # rounds without progress


class Stopping:
    """Converged: residuals have reached their goals, vectors are orthonormal, eigenvalues
    decrease, all is determined.

    Residuals alone are no proof: K copies of v_0 have residual 0.
    """

    def __init__(self, tol, max_rounds, orthonormal_to, kept=0):
        """The first ``kept`` components stay as they are, whatever their residuals."""
        self.tol, self.max_rounds, self.orthonormal_to = tol, max_rounds, orthonormal_to
        self.kept = kept
        self.lack = None  # what the last round had not, in words

    def __call__(self, report):
        """Return the outcome, or None to go on. Collective."""
        self.lack = self._lacking(report)
        if self.lack is None and self._is_waiting(report):
            self.lack = "guards have not had the rounds yet to find what start vectors miss"
        elif self.lack is None:
            unsure = named(report.judged().standing, UNDETERMINED)
            self.lack = f"not determined: {unsure}" if unsure else None
            return AT_ROUNDING if unsure else CONVERGED
        if report.state.exhausted:
            return EXHAUSTED
        return MAX_ROUNDS if report.state.round >= self.max_rounds else None

    def _is_waiting(self, report):
        """Whether guards may still find something. Without guards, and if they would take too
        long, angles have no bounds.
        """
        search, missing = report.search, report.steps_missing
        if not missing or not search.guards or report.state.exhausted:
            return False
        return search.steps(report.state.round) < WAITED

    def _lacking(self, report):
        """What is missing from what was asked for, or None. Collective."""
        if report.state.estimated:
            return "residuals are estimates from mini-batches"
        if lack := self._late(report) or self._in_disorder(report):
            return lack
        error = report.method.orthonormality(report.state, report.components)
        return (
            None
            if error <= self.orthonormal_to
            else (
                f"vectors are not orthonormal: max|VVᵀ−I| = {error:.1e}, asked for"
                f" {self.orthonormal_to:g}"
            )
        )

    def _late(self, report):
        """The component that is furthest from its goal, in words, or None."""
        residuals, goals = report.residuals, report.goals
        ratios = np.where(
            np.isfinite(residuals), residuals / np.maximum(goals, np.finfo(float).tiny), np.inf
        )
        ratios[: self.kept] = 0
        worst = int(ratios.argmax())
        residual, goal = residuals[worst], goals[worst]
        if self.tol > 0 and residual <= DONE * goal:
            return None
        share = f"at most {DONE:g} of the " if residual <= goal > 0 else ""
        why = (
            ""
            if goal == self.tol
            else f" (its variance is small: {self.tol:g} would not determine it)"
        )
        return f"component {worst} has residual {residual:.1e}, asked for {share}{goal:.3g}{why}"

    def _in_disorder(self, report):
        """A component that is smaller than one after it, or than a guard, in words, or None."""
        values, residuals, rounding = (
            report.state.eigenvalues,
            report.state.residuals,
            report.rounding,
        )
        largest, count = values.max(), report.components
        slack = np.maximum(
            np.minimum(self.tol * largest, SHARE * np.abs(values)), rounding * largest
        )
        rising = np.flatnonzero(np.diff(values[:count]) > slack[: count - 1])
        if len(rising):
            return f"component {rising[0] + 1} has a larger eigenvalue than the one before it"
        last = int(values[:count].argmin())
        beyond = (values - (residuals + rounding) * largest)[count:] > values[last] + slack[last]
        return f"a guard has a larger eigenvalue than component {last}" if beyond.any() else None


class Stagnation:
    """Says when single precision has given all it can.

    Residuals sit at its floor above their goals, or are small beside λ_0 but not beside a
    component's own eigenvalue.
    """

    def __init__(self):
        self.best, self.rounds, self.why = np.inf, 0, ""

    def __call__(self, report, outcome):
        """Return True if the run should go on in double, and say ``why``.

        ``outcome`` is what it would end with now.
        """
        worst = report.residuals.max()
        if report.is_double or report.state.estimated or not np.isfinite(worst):
            return False
        if outcome == AT_ROUNDING:
            self.why = (
                f"the variance of {named(report.judged().standing, UNDETERMINED)} is too near the"
                " rounding of single precision"
            )
            return True
        self.why = "residuals have reached the floor of single precision"
        if (report.residuals <= DONE * report.goals).all():
            return False
        if worst > FLOOR or worst < 0.9 * self.best:
            self.best, self.rounds = min(worst, self.best), 0
        else:
            self.rounds += 1
        return self.rounds >= PATIENCE or report.state.exhausted
