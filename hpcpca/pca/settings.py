"""What ``fit`` is asked for."""

from dataclasses import dataclass

from ..engine.settings import AccuracySettings, MachineSettings, OutputSettings
from ..errors import UsageError
from ..methods.registry import PARTS
from ..methods.settings import MethodSettings
from ..operators.settings import OperatorSettings
from ..options import Settings, compose, option


@dataclass(frozen=True)
class PcaSettings(Settings):
    """Data and components"""

    data: tuple = ()
    components: int = option(
        "Number of principal components K.", "-k", "--components", default=1, least=1, required=True
    )
    guards: int | None = option(
        "Extra columns past K; default: to a multiple of 8, at least eight (ritz); none (vectors).",
        least=0,
    )
    init: str | None = option("Start vectors (rows).", metavar="FILE:dataset")
    covariance: bool = option("DATA is a d×d covariance matrix itself.", default=False)
    follow_links: bool = option(
        "Read values that a dataset takes from files outside of its folder.", default=False
    )

    def check(self):
        """Raise UsageError if the data are not rows, and rows are asked for; or if two options
        say where to start.
        """
        if self.warm_start and self.init:
            raise UsageError("--warm-start and --init both say where to start; give one of them")
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
    compose(
        PcaSettings,
        OutputSettings,
        MethodSettings,
        *PARTS,
        OperatorSettings,
        AccuracySettings,
        MachineSettings,
    )
):
    """All that a fit is asked for; None means the default that the method, the data or the
    machine gives.
    """


def resumed(stored, **changes):
    """Return the settings of a run that goes on from the ``stored`` one, with ``changes``."""
    chain = (*stored.config.get("resumed_from", ()), stored.path)
    return FitSettings.restored(stored.config, resumed_from=chain, **changes)
