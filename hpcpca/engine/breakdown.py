"""Notices numbers that cannot be in the round they appear."""

import numpy as np

from ..errors import HpcpcaError, on_all_ranks


def finite(report):
    """Raise HpcpcaError naming the worker whose numbers overflowed or are undefined, or if no
    eigenvalue is positive: residuals are relative to the largest.
    """
    values = report.state.eigenvalues
    if report.state.round > 0 and np.isfinite(values).all() and not values.max() > 0:
        raise on_all_ranks(
            HpcpcaError(
                f"the largest eigenvalue found in round {report.state.round} is"
                f" {report.eigenvalues.max():.3g}; operators are needed whose largest eigenvalues"
                " are positive, and larger than the negative ones are in size"
            )
        )
    bad = ~(np.isfinite(report.state.eigenvalues) & np.isfinite(report.state.residuals))
    if bad.any() and report.state.round > 0:
        raise on_all_ranks(
            HpcpcaError(
                f"component {int(np.argmax(bad))} is not finite in round {report.state.round}; "
                "the data's range is too large even after scaling: rescale the data, or report this"
            )
        )
