"""What methods of the Ritz exchange are asked for."""

from dataclasses import dataclass

from ..errors import UsageError
from ..options import Settings, option


@dataclass(frozen=True)
class HistorySettings(Settings):
    """Ritz exchange"""

    basis: str | None = option(
        "Rows of history the Ritz exchange may keep, at least 3 panels; default by memory.",
        metavar="N|all",
        by_problem=True,
    )

    def check(self):
        """Raise UsageError if the basis is neither a number nor all."""
        if self.basis not in (None, "all") and not self.basis.isdigit():
            raise UsageError(f"--basis {self.basis}: write a number of rows, or all")


@dataclass(frozen=True)
class WarmStartSettings(Settings):
    """Ritz exchange"""

    warm_start: bool | None = option(
        "Start from sampled rows (default if it pays), or at random.",
        "--warm-start/--cold",
        by_problem=True,
    )
