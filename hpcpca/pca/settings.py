"""What ``fit`` is asked for."""

from dataclasses import dataclass

from ..engine.settings import COMMON, PanelSettings
from ..errors import UsageError
from ..operators.settings import OperatorSettings
from ..options import Settings, compose, option
from ..sources.reading import Reading, Statistics


@dataclass(frozen=True)
class PcaSettings(Settings):
    """Data and components"""

    covariance: bool = option("DATA is a d×d covariance matrix itself.", default=False)

    def check(self):
        """Raise UsageError if the data are no rows, and rows are asked for."""
        if self.covariance and self.operator not in ("auto", "gram"):
            raise UsageError(
                "--covariance data are the matrix itself: --operator gram is the only one"
            )
        if self.covariance and self.batch_rows:
            raise UsageError(
                f"--batch-rows {self.batch_rows} needs rows, not a covariance; leave one of"
                " them out"
            )


@dataclass(frozen=True)
class FitSettings(
    compose(PanelSettings, PcaSettings, Statistics, Reading, *COMMON, OperatorSettings)
):
    """All that a fit is asked for; None means the default that the method, the data or the
    machine gives.
    """

    takes = (
        "basis",
        "batch_rows",
        "grid",
        "memory",
        "polish",
        "precision",
        "step_schedule",
        "warm_start",
    )
