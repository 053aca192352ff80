"""What ``fit`` is asked for."""

from dataclasses import dataclass

from ..engine.settings import COMMON, PanelSettings
from ..errors import UsageError
from ..methods.registry import DEFAULT
from ..operators.settings import OperatorSettings
from ..options import Settings, compose, option
from ..sources.reading import Reading, Statistics

RULES = ("auto", "edge", "parallel")  # for -k


@dataclass(frozen=True)
class CountSettings(PanelSettings):
    """Data and components"""

    components: int | float | str = option(
        "Number of components K; below 1: as many as explain that share of the variance; auto: as"
        " stand out of noise (Gavish and Donoho); edge: as exceed its largest eigenvalue;"
        " parallel: by parallel analysis.",
        *("-k", "--components"),
        default=1,
        required=True,
        or_share=RULES,
        metavar="K|0.95|auto|edge|parallel",
    )
    counted_by: str = ""  # what -k was, where K was found by it

    def check(self):
        """Raise UsageError if -k is no number of components, and no rule."""
        super().check()
        asked = self.components
        if isinstance(asked, str) and asked not in RULES:
            raise UsageError(f"-k {asked}: a number, a share below 1, or one of {', '.join(RULES)}")
        if isinstance(asked, float) and asked >= 1:
            raise UsageError(f"-k {asked}: a whole number is needed, or a share below 1")
        if not isinstance(asked, str) and not asked > 0:
            raise UsageError(f"-k {asked}: at least 1 is needed, or a share of the variance")
        if self.row_weights and (self.batch_rows or self.nan == "em"):
            other = "--nan em" if self.nan == "em" else f"--batch-rows {self.batch_rows}"
            raise UsageError(f"--row-weights does not go with {other}; leave one of them out")
        if self.nan == "em" and self.no_centre:
            raise UsageError("--nan em finds a mean: leave --no-centre out")
        if self.row_weights and self.operator == "sparse":
            raise UsageError("--row-weights makes sparse rows dense: leave --operator sparse out")
        if not isinstance(asked, int) and self.nan == "em":
            raise UsageError(
                f"-k {asked}: --nan em needs a number of components to complete rows by"
            )
        for name in ("covariance", "no_centre"):
            if not isinstance(asked, int) and getattr(self, name):
                flag = self.typed(name)
                raise UsageError(
                    f"-k {asked} is about rows less their mean; give a number with {flag}"
                )


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
class GoingOnSettings(Settings):
    """Going on from a result"""

    extend: str | None = option(
        "Keep all components of this result of the same data as they are, and add others, up to"
        " -k. DATA may be left out.",
        metavar="RESULT",
    )
    update: str | None = option(
        "Fold DATA, new rows, into this result without its rows; errors are bounded.",
        metavar="RESULT",
    )
    kept: int = 0  # components that stay as they are

    def check(self):
        """Raise UsageError if it does not go with the rest."""
        flag = "extend" if self.extend else "update"
        if not (path := getattr(self, flag)):
            return
        for name in ("update", "init", "batch_rows"):
            value = getattr(self, name)
            if value and name != flag:
                given = f"--{name.replace('_', '-')} {value}"
                raise UsageError(f"--{flag} {path} and {given} do not go together; leave one out")
        if self.extend and (self.method, self.exchange) != (DEFAULT, "ritz"):
            raise UsageError(
                f"--extend {path} goes with the usual method; leave --method and --exchange out"
            )
        if self.update and self.covariance:
            raise UsageError(f"--update {path} is about rows; leave --covariance out")
        if self.nan == "em":
            raise UsageError(f"--{flag} {path} does not go with --nan em")


@dataclass(frozen=True)
class FitSettings(
    compose(
        CountSettings,
        PcaSettings,
        GoingOnSettings,
        Statistics,
        Reading,
        *COMMON,
        OperatorSettings,
    )
):
    """All that a fit is asked for; None means the default that the method, the data or the
    machine gives.
    """

    takes = (
        "basis",
        "batch_rows",
        "corrections",
        "grid",
        "memory",
        "polish",
        "precision",
        "step_schedule",
        "warm_start",
    )
