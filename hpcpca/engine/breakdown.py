"""Notices numbers that are not finite in the round they appear."""

import numpy as np

from ..errors import HpcpcaError, on_all_ranks


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
