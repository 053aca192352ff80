"""What ``compress`` is asked for."""

from dataclasses import dataclass
from typing import ClassVar

from ..engine.settings import MachineSettings, OutputSettings
from ..errors import UsageError
from ..options import Settings, compose, option


@dataclass(frozen=True)
class CompressSettings(Settings):
    """Matrices and factors"""

    data: tuple = ()
    rank: int = option(
        "Rank R of the means: factors P (n, R) and Q (m, R) of every matrix.",
        "-r",
        "--rank",
        default=1,
        least=1,
        required=True,
    )
    least: float = option(
        "The least compression wanted: a matrix is averaged whole if (n + m)·R times this is more"
        " than n·m (default 1; 0: none is).",
        default=1.0,
    )
    steps: int | None = option(
        "Take so many steps, however far they come; default: until --tol is reached.", least=1
    )
    tol: float = option(
        "Residual ‖MᵀMv−σ²v‖/σ₀² to reach for every right singular vector v of the means (default"
        " 1e-3).",
        default=1e-3,
    )
    max_rounds: int = option(
        "Rounds after which to stop unconverged (default 1000).", default=1000, least=1
    )
    guards: int = option(
        "Extra columns past R, which speed the iteration (default 8).", default=8, least=0
    )
    error_feedback: str | None = option(
        "Add to the means what this file says is owed of earlier calls, and write to it what these"
        " factors leave.",
        path=True,
        metavar="FILE",
    )
    seed: int = option("Seed of the start (default 0).", default=0, least=0)
    follow_links: bool = option(
        "Read values that a dataset takes from files outside of its folder.", default=False
    )

    def check(self):
        """Raise UsageError if a number makes no sense."""
        if not 0 <= self.tol < 1:
            raise UsageError(f"--tol {self.tol}: a number from 0 up to 1 is needed")
        if not 0 <= self.least < float("inf"):
            raise UsageError(f"--least {self.least}: a number of at least 0 is needed")


PARTS = (CompressSettings, OutputSettings, MachineSettings)


@dataclass(frozen=True)
class AveragingSettings(compose(*PARTS)):
    """All that ``compress`` is asked for."""

    takes = ("memory",)
    exchange: ClassVar[str] = "sums"

    @staticmethod
    def check_end(given):
        """Raise UsageError if two of the options ``given`` say when to end."""
        if given.get("steps") is not None and given.get("tol") is not None:
            raise UsageError("--steps and --tol both say when to end; give one of them")

    @classmethod
    def restored(cls, stored, **changes):
        """As of ``Settings``; a new tolerance takes the place of a number of steps."""
        cls.check_end(changes)
        if "tol" in changes:
            changes.setdefault("steps", None)
        return super().restored(stored, **changes)
