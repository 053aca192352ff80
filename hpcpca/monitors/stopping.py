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
        self.lack = None  # what the last round had not, in words

    def __call__(self, report):
        """Return the outcome, or None to go on. Collective."""
        self.lack = self._lacking(report)
        if self.lack is None:
            return CONVERGED
        if report.state.exhausted:
            return EXHAUSTED
        return MAX_ROUNDS if report.state.round >= self.max_rounds else None

    def _lacking(self, report):
        """What is missing from what was asked for, or None. Collective."""
        if report.state.estimated:
            return "residuals are estimates from mini-batches"
        values, worst = report.state.eigenvalues[:report.components], int(report.residuals.argmax())
        residual, rising = report.residuals[worst], np.flatnonzero(np.diff(values) > self.tol * values.max())
        if self.tol == 0 or not residual <= DONE * self.tol:
            share = f"at most {DONE:g} of the " if residual <= self.tol > 0 else ""
            return f"component {worst} has residual {residual:.1e}, asked for {share}{self.tol:g}"
        if len(rising):
            return f"component {rising[0] + 1} has a larger eigenvalue than the one before it"
        error = report.method.orthonormality(report.state, report.components)
        return None if error <= self.orthonormal_to else f"vectors are not orthonormal: max|VVᵀ−I| = {error:.1e}, asked for {self.orthonormal_to:g}"


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
