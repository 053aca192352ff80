"""What a run that was stopped knew of its operator."""

from dataclasses import dataclass

from .centring import Centring
from .unfinished import Unfinished


@dataclass
class Resumed:
    """Centring and an unfinished pass; nothing, if a run starts from the beginning."""

    known: Centring | None = None
    unfinished: Unfinished | None = None
    is_double: bool = False

    def unfinished_gram(self):
        """Σ half built, or None."""
        return self.unfinished if self.unfinished and self.unfinished.panel is None else None

    def unfinished_pass(self, double):
        """(Centring, Unfinished) that streaming can go on with, each or None: what was measured
        in single precision is not for ``double``.
        """
        unfinished = (
            self.unfinished if self.unfinished and self.unfinished.panel is not None else None
        )
        known = (
            self.known
            if self.known is not None and (self.known.squares is not None or unfinished)
            else None
        )
        return (
            (None, None)
            if known is None or (double and not self.is_double)
            else (known, unfinished)
        )
