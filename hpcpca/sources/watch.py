"""How far a long reading is, for whoever wants to know: a line after some seconds, and then now
and then.
"""

import time

from ..units import format_seconds

FIRST, MOST = 5.0, 60.0  # seconds until the first line, and between later ones at most


class Passage:
    """One reading of so many rows by this process, or of ``what`` else, each a ``unit``.

    ``Passage.tell(text)`` is what lines go to; None if nobody wants to know.
    """

    tell = None

    def __init__(self, total, what="rows of the first rank's share", unit="rows"):
        self._what, self._unit = what, unit
        self._total, self._done, self._begun, self._next = total, 0, time.monotonic(), FIRST

    def done(self, rows):
        """Count rows that were read and worked on."""
        self._done += rows
        if Passage.tell is None or not 0 < self._done < self._total:
            return
        spent = time.monotonic() - self._begun
        if spent >= self._next:
            self._next = spent + min(MOST, max(FIRST, spent / 2))
            left = spent * (self._total - self._done) / self._done
            Passage.tell(
                f"pass: {self._done:,} of {self._total:,} {self._what}"
                f" ({100 * self._done / self._total:.0f} %), {self._done / max(spent, 1e-9):,.0f}"
                f" {self._unit} a second, about {format_seconds(left)} left"
            )
