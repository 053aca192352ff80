"""What ``regress`` is asked for."""

from dataclasses import dataclass

from ..engine.settings import COMMON, PanelSettings
from ..errors import UsageError
from ..methods.registry import DEFAULT
from ..options import AUTO, Settings, compose, option
from ..sources.reading import Reading
from .kinds import KINDS


def ridge_of(text):
    """Return the ridge that ``text`` says as a number, or "auto"; raise UsageError."""
    if text == AUTO:
        return AUTO
    try:
        found = float(text)
        if not 0 <= found < float("inf"):
            raise ValueError
    except ValueError:
        raise UsageError(f"--ridge {text}: a number from 0 on is needed, or auto") from None
    return found


@dataclass(frozen=True)
class PairSettings(PanelSettings):
    """Data and pairs"""

    components: int | str | None = option(
        "Number of rank-one pairs R; auto: as many as predict best the rows kept back.",
        *("-r", "--rank"),
        least=1,
        or_auto=True,
        metavar="R|auto",
    )
    held_out: float | None = option(
        "With -r auto or --grow held-out: share of the rows that is kept back (default 0.1)."
    )
    r2: float | None = option(
        "With -r auto: the smallest R whose R² on the rows fitted is at least this."
    )

    def check(self):
        """Raise UsageError if what chooses R makes no sense."""
        super().check()
        if self.components is None:
            raise UsageError("-r is missing: say how many pairs, or -r auto")
        for name in ("held_out", "r2"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise UsageError(f"{self.typed(name)} {value}: a number between 0 and 1 is needed")
        if self.r2 is not None and self.components != AUTO:
            raise UsageError(f"--r2 {self.r2} goes with -r auto")
        if self.held_out is not None and (self.components != AUTO or self.r2 is not None):
            raise UsageError(
                f"--held-out {self.held_out} goes with -r auto without --r2; else all rows are"
                " fitted"
            )
        if self.components == AUTO and (self.covariance or not self.predicts):
            raise UsageError("-r auto chooses by predictions, of rows with --whiten x; give -r R")


@dataclass(frozen=True)
class RegressionSettings(Settings):
    """Regression"""

    targets: tuple = option(
        "What is to be predicted: files, globs or folders with as many rows as DATA, in the same"
        " order; may be given several times.",
        default=(),
        multiple=True,
        metavar="DATA[:dataset]",
    )
    ridge: str = option(
        "Penalty ρ‖W‖² on the coefficients, as scikit-learn's alpha; auto: by generalised"
        " cross-validation (default 0).",
        default="0",
        metavar="RHO|auto",
    )
    ridge_y: float = option(
        "The same for the targets' own covariance, with --whiten both (default 0).", default=0.0
    )
    whiten: str = option(
        "x: reduced-rank regression (default); none: PLS-SVD; both: canonical correlations.",
        default="x",
        choices=("x", "none", "both"),
    )
    covariance: bool = option(
        "DATA is the joint covariance of inputs and targets, inputs first; say how many with"
        " --inputs.",
        default=False,
    )
    nan: str = option(
        "Missing inputs (NaN, and by attributes): raise refuses them (default); mean puts their"
        " column's mean there; drop-columns leaves out columns that have any; drop-rows rows that"
        " lack an input or a target.",
        default="raise",
        choices=("raise", "mean", "drop-columns", "drop-rows"),
    )
    scale: bool = option("Divide every input by its standard deviation.", default=False)
    targets_axis: int = option("As --samples-axis, of the targets (default 0).", default=0)
    inputs: int | None = option("Number of inputs in a --covariance.", metavar="D", least=1)
    no_centre: bool = option("Take rows as they are: no means, no intercept.", default=False)

    @property
    def starts_in_double(self):
        """Whether sums are taken in float64: unless single precision is asked for, since what is
        solved with them is off by their errors times the condition of the inputs.
        """
        return self.precision != "single"

    @property
    def predicts(self):
        """Whether the result predicts targets."""
        return self.whiten == "x"

    def rho(self):
        """The ridge as a number, or "auto"; raise UsageError."""
        return ridge_of(self.ridge)

    def check(self):
        """Raise UsageError if options contradict each other."""
        if not 0 <= self.ridge_y < float("inf"):
            raise UsageError(f"--ridge-y {self.ridge_y}: a number from 0 on is needed")
        if self.ridge_y and self.whiten != "both":
            raise UsageError(f"--ridge-y {self.ridge_y} goes with --whiten both")
        if self.rho() and self.whiten == "none":
            raise UsageError(f"--ridge {self.ridge}: --whiten none has no coefficients to penalise")
        if self.ridge == AUTO and self.whiten == "both":
            raise UsageError("--ridge auto is for --whiten x; give a number with --whiten both")
        if self.covariance:
            self._check_covariance()
        elif not self.targets:
            raise UsageError("--targets is missing: say what is to be predicted from the inputs")
        elif self.inputs is not None:
            raise UsageError(f"--inputs {self.inputs} goes with --covariance")

    def _check_covariance(self):
        if self.targets_axis:
            raise UsageError(f"--targets-axis {self.targets_axis} goes with --targets")
        for name in ("nan", "scale"):
            if getattr(self, name) not in ("raise", False):
                raise UsageError(f"--covariance data have no rows: leave {self.typed(name)} out")
        if self.targets:
            raise UsageError(
                "--covariance: the matrix has the targets already; leave --targets out"
            )
        if self.inputs is None:
            raise UsageError("--covariance: say with --inputs how many of its columns are inputs")
        if self.no_centre:
            raise UsageError("--no-centre is about rows; a --covariance has none")
        if self.ridge == AUTO:
            raise UsageError(
                "--ridge auto needs to know the number of rows; give them, or a number"
            )


@dataclass(frozen=True)
class HeldSettings(Settings):
    """Machine"""

    operator: str = option(
        "How S = DᵀC⁻¹D is held; auto decides by expected time and memory.",
        default=AUTO,
        choices=(AUTO, *KINDS),
    )

    def check(self):
        """Raise UsageError if that cannot do what is asked for."""
        if self.operator in (AUTO, "gram"):
            return
        if self.covariance:
            raise UsageError(
                "--covariance data are the sums themselves: --operator gram is the only one"
            )
        if why := KINDS[self.operator].lacks(self):
            raise UsageError(f"--operator {self.operator}: {why}; leave --operator out")


# the regression's own rule for precision comes before the common one
PARTS = (PairSettings, RegressionSettings, Reading, *COMMON, HeldSettings)


@dataclass(frozen=True)
class RegressSettings(compose(*PARTS)):
    """All that a regression is asked for; None means the default."""

    takes = ("precision", "grid", "memory", "basis")

    def __post_init__(self):
        """Workers that exchange vectors exchange pairs, unless another rule is asked for."""
        super().__post_init__()
        exchanged = self.method, self.exchange
        if exchanged == (DEFAULT, "vectors") and self.deflation is None and self.predicts:
            object.__setattr__(self, "deflation", "pairs")
