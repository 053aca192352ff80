"""What ``regress --modules`` is asked for."""

from dataclasses import dataclass
from typing import ClassVar

from ...engine.settings import AccuracySettings, MachineSettings, OutputSettings
from ...errors import UsageError
from ...methods.settings import TOL
from ...options import Settings, compose, option
from ..settings import ridge_of
from .growth import RULES


@dataclass(frozen=True)
class GrowthSettings(Settings):
    """Modules"""

    data: tuple = ()
    budget: int | None = option(
        "Number of pairs that all modules share. (With --method sequential-deflation: rounds of all"
        " components together, shared out beforehand.)",
        metavar="B",
        least=1,
    )
    rank_max: int = option("The most pairs of a module (default 8).", default=8, least=1)
    grow: str = option(
        "Who gets the next pair: gain (default), edge, held-out or importance.",
        default="gain",
        choices=RULES,
    )
    warm_up: int = option("Rounds before the first growth (default 5).", default=5, least=1)
    grow_every: int = option("Rounds from one growth to the next (default 3).", default=3, least=1)
    grow_by: int = option("Modules that grow at a time (default 1).", default=1, least=1)
    held_out: float | None = option("Share of the rows kept back.")
    ridge: str = option("Penalty on the coefficients.", default="0", metavar="RHO|auto")
    no_centre: bool = option("Take rows as they are.", default=False)
    local_steps: int = option("Applications of S between two exchanges.", default=1, least=1)
    follow_links: bool = option("Follow links.", default=False)

    @property
    def rule(self):
        """The rule that scores reserves."""
        return RULES[self.grow]()

    def check(self):
        """Raise UsageError if options make no sense."""
        if self.budget is None:
            raise UsageError("--budget is missing: say how many pairs all modules share")
        if self.held_out is not None and self.grow != "held-out":
            raise UsageError(
                f"--held-out {self.held_out} goes with --grow held-out; else all rows are fitted"
            )
        if self.held_out is not None and not 0 < self.held_out < 1:
            raise UsageError(f"--held-out {self.held_out}: a number between 0 and 1 is needed")
        ridge_of(self.ridge)


PARTS = (GrowthSettings, OutputSettings, AccuracySettings, MachineSettings)


@dataclass(frozen=True)
class ModulesSettings(compose(*PARTS)):
    """All that a regression of modules is asked for."""

    takes = ("memory",)
    exchange: ClassVar[str] = "pairs"

    def __post_init__(self):
        """Fill in the usual tolerance."""
        if self.tol is None:
            object.__setattr__(self, "tol", TOL)
