"""How the symmetric operator of a run is held."""

from dataclasses import dataclass

from ..errors import UsageError
from ..options import Settings, option
from .registry import OFFERED


@dataclass(frozen=True)
class OperatorSettings(Settings):
    """Machine"""

    operator: str = option(
        "How Σ is held; auto decides by expected time and memory.",
        default="auto",
        choices=("auto", *OFFERED),
    )

    def check(self):
        """Raise UsageError if mini-batches are drawn, which need no operator."""
        if self.batch_rows and self.operator != "auto":
            raise UsageError(
                f"--batch-rows {self.batch_rows} draws rows straight from the files; leave"
                f" --operator {self.operator} out"
            )
