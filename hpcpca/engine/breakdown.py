"""Notices numbers that cannot be in the round they appear: not finite ones, and those of no
covariance.
"""

import numpy as np

from ..errors import DataError, HpcpcaError, on_all_ranks
from ..operators.gram import NO_COVARIANCE


def finite(report):
    """Raise HpcpcaError naming the worker whose numbers overflowed or are undefined."""
    bad = ~(np.isfinite(report.state.eigenvalues) & np.isfinite(report.state.residuals))
    if bad.any() and report.state.round > 0:
        raise on_all_ranks(
            HpcpcaError(
                f"component {int(np.argmax(bad))} is not finite in round {report.state.round}; "
                "the data's range is too large even after scaling: rescale the data, or report this"
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
