"""When a run ends."""

import numpy as np

from ..methods.ritz_exchange import DONE

CONVERGED, EXHAUSTED, MAX_ROUNDS, INTERRUPTED, RUNNING = "converged", "exhausted", "max_rounds", "interrupted", "running"
FLOOR = 1e-5        # residuals above this do not sit at the float32 floor
PATIENCE = 4        # rounds without progress


class Stopping:
    """Converged when every residual is small, vectors are orthonormal and eigenvalues decrease: residuals alone are no proof."""

    def __init__(self, tol, max_rounds, orthonormal_to):
        self.tol, self.max_rounds, self.orthonormal_to = tol, max_rounds, orthonormal_to

    def __call__(self, report):
        """Return the outcome, or None to go on. Collective."""
        if self.holds(report):
            return CONVERGED
        if report.state.exhausted:
            return EXHAUSTED
        return MAX_ROUNDS if report.state.round >= self.max_rounds else None

    def holds(self, report):
        """Whether what was asked for is reached."""
        if report.state.estimated:
            return False
        values = report.state.eigenvalues[:report.components]
        if not (report.residuals <= DONE * self.tol).all() or (np.diff(values) > self.tol * values.max()).any():
            return False
        return self.tol > 0 and report.method.orthonormality(report.state) <= self.orthonormal_to


class Stagnation:
    """Says when single precision has given all it can: residuals at its floor, above the tolerance, no longer falling."""

    def __init__(self, tol):
        self.tol, self.best, self.rounds = tol, np.inf, 0

    def __call__(self, report):
        """Return True when the run should go on in double."""
        worst = report.residuals.max()
        if report.is_double or report.state.estimated or not np.isfinite(worst) or worst <= DONE * self.tol:
            return False
        if worst > FLOOR or worst < 0.9 * self.best:
            self.best, self.rounds = min(worst, self.best), 0
        else:
            self.rounds += 1
        return self.rounds >= PATIENCE or report.state.exhausted
