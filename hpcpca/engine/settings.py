"""What every run is asked for, whatever the problem and the method."""

from dataclasses import dataclass, field

from ..errors import UsageError
from ..methods.registry import PARTS
from ..methods.settings import MethodSettings
from ..options import Settings, option
from ..units import parse_duration

SMALLEST_SINGLE_TOL = 2e-7  # float32 sums floor residuals at about 1e-7


@dataclass(frozen=True)
class PanelSettings(Settings):
    """Data and components"""

    data: tuple = ()
    components: int = option(
        "Number of components K.", "-k", "--components", default=1, least=1, required=True
    )
    guards: int | None = option(
        "Extra columns past K; default: to a multiple of 8, at least eight (ritz); none (vectors).",
        least=0,
    )
    init: str | None = option(
        "Start vectors: a result, or a dataset with vectors as rows.", metavar="RESULT|FILE:dataset"
    )
    follow_links: bool = option(
        "Read values that a dataset takes from files outside of its folder.", default=False
    )

    def check(self):
        """Raise UsageError if two options say where to start."""
        if self.warm_start and self.init:
            raise UsageError("--warm-start and --init both say where to start; give one of them")


@dataclass(frozen=True)
class OutputSettings(Settings):
    """Result and checkpoints"""

    # None: the result stays in memory, on all ranks
    output: str | None = option("Result file (HDF5).", "-o", "--output", path=True, required=True)
    overwrite: bool = option("Replace an existing result and its checkpoint.", default=False)
    checkpoint: str | None = option("Checkpoint file; default: OUT.ckpt.", path=True)
    checkpoint_every: str = option(
        "Seconds, minutes or rounds between checkpoints (default 10m).",
        default="10m",
        metavar="30s|10m|10r",
    )
    no_checkpoint: bool = option("Write no checkpoints; those that are there stay.", default=False)
    resumed_from: tuple = field(default=())

    @property
    def checkpoint_path(self):
        """Where checkpoints go; None if none are wanted, or the result goes to no file."""
        if self.no_checkpoint:
            return None
        return self.checkpoint or (self.output and self.output + ".ckpt")

    def check(self):
        """Raise UsageError if the cadence cannot be understood."""
        self.cadence()

    def cadence(self):
        """Return (seconds or None, rounds or None) between checkpoints; raise UsageError."""
        text = self.checkpoint_every
        try:
            if text.endswith("r") and int(text[:-1]) > 0:
                return None, int(text[:-1])
            return parse_duration(text), None
        except ValueError:
            raise UsageError(f"--checkpoint-every {text}: write 30s, 10m or 10r (rounds)") from None


@dataclass(frozen=True)
class AccuracySettings(Settings):
    """Accuracy"""

    tol: float | None = option(
        "Residual ‖Σv−λv‖/λ₀ to reach for every component (default 1e-6; 1e-2 of mini-batches)."
    )
    max_rounds: int = option(
        "Rounds after which to stop unconverged (default 1000).", default=1000, least=1
    )
    seed: int = option("Seed of everything random (default 0).", default=0, least=0)
    precision: str = option(
        "Arithmetic of the products (default auto: by type and tol).",
        default="auto",
        choices=("auto", "single", "double"),
        by_problem=True,
    )

    @property
    def starts_in_double(self):
        """Whether products are taken in float64 from the start."""
        return self.precision == "double" or (
            self.precision == "auto" and self.tol < SMALLEST_SINGLE_TOL
        )

    def check(self):
        """Raise UsageError if the tolerance makes no sense, or cannot be reached in the
        precision asked for.
        """
        if not 0 <= self.tol < 1:
            raise UsageError(f"--tol {self.tol}: a number from 0 up to 1 is needed")
        if self.precision == "single" and self.tol < SMALLEST_SINGLE_TOL:
            raise UsageError(
                f"--tol {self.tol} cannot be reached in single precision (floor about 1e-7); leave"
                " --precision out, or say double"
            )


@dataclass(frozen=True)
class MachineSettings(Settings):
    """Machine"""

    grid: str | None = option(
        "Ranks as W groups of columns × S shards of rows; by default 1×ranks, ranks×1 for gram.",
        metavar="WxS",
        by_problem=True,
    )
    threads: int | None = option(
        "Threads per rank; default: processors ÷ ranks that share them, OMP_NUM_THREADS at most.",
        least=1,
    )
    memory: int | None = option(
        "Memory per node that may be used, such as 2G; default: what is free.",
        size=True,
        by_problem=True,
    )
    max_time: str | None = option(
        "Stop in time with a checkpoint and exit 75; counted from the start of the program; a bare"
        " number is seconds.",
        metavar="55m",
    )

    def check(self):
        """Raise UsageError if the time limit cannot be understood."""
        try:
            if self.max_time is not None and parse_duration(self.max_time) <= 0:
                raise ValueError
        except ValueError:
            raise UsageError(f"--max-time {self.max_time}: write 55m, 1h30m or 90s") from None


# what the settings of every problem are composed of, beside its own
COMMON = (OutputSettings, MethodSettings, *PARTS, AccuracySettings, MachineSettings)
