"""Notices numbers that no covariance, and no data that stayed the same, can have."""

import numpy as np

from ..errors import DataError, on_all_ranks
from ..operators.gram import NO_COVARIANCE

SMALLEST_VARIANCE = 1e-300


class InRange:
    """Raises DataError unless the total variance is a number of float64; looks once."""

    def __init__(self, operator):
        self.operator, self.is_checked = operator, False

    def __call__(self, report):
        if self.is_checked:
            return
        self.is_checked, operator = True, self.operator
        with np.errstate(over="ignore", under="ignore"):
            variance = np.ldexp(operator.total_variance, operator.exponent)
        if not (np.isfinite(variance) and variance > SMALLEST_VARIANCE):
            raise on_all_ranks(
                DataError(
                    f"the data's variance (2^{operator.exponent} times"
                    f" {operator.total_variance:.3g}) is outside of float64's range; multiply the"
                    " data by a constant first"
                )
            )


class Semidefinite:
    """Raises DataError in the round that proves a matrix to be no covariance.

    Either an eigenvalue is below −``negligible`` times the largest, or one alone, or all of
    orthonormal vectors, are more than the ``trace``, so that others are negative.
    """

    def __init__(self, trace, negligible, are_orthonormal):
        self.trace, self.negligible, self.are_orthonormal = trace, negligible, are_orthonormal

    def __call__(self, report):
        scaled, shown = report.state.eigenvalues, report.eigenvalues
        least, leading = int(np.argmin(scaled)), scaled[: report.components]
        found = float(leading.sum() if self.are_orthonormal else leading.max())
        if scaled[least] < -self.negligible * np.abs(scaled).max():
            told = f"it has an eigenvalue of {shown[least]:.3g} or below"
        elif found > (1 + self.negligible) * self.trace:
            told = (
                f"eigenvalues found are {found / self.trace:.4g} times its trace, so that others"
                " are negative"
            )
        else:
            return
        raise on_all_ranks(DataError(f"the matrix is not a covariance: {told}; {NO_COVARIANCE}"))
