"""What a source of rows does with its files: it uses rows where they lie, if it can, and sees
whether they change meanwhile.
"""

import os

from ..errors import DataError
from .mapped import AGAIN, Maps

# for benchmarks: every read comes from the disk
FORGET = bool(os.environ.get("HPCPCA_FORGET_FILES"))


class InPlace:
    """A part of ``Source``, which has ``parts`` and a ``view`` of them.

    ``unmapped`` says in words why rows cannot be used where they lie; "" if they can.
    """

    def _begin(self):
        self._is_copied, self._maps = False, Maps(FORGET)

    def _why_unmapped(self):
        if self._is_copied:
            return "they are copied"
        if self.view.changes_values:
            return "values are changed when they are read"
        if self.view.numbers is not None:
            return "columns are left out"
        return next((f"{each.name} {each.unmapped}" for each in self.parts if each.unmapped), "")

    def copy_rows(self):
        """Copy rows into buffers from now on, wherever they lie."""
        self._is_copied = True
        self._size()

    @property
    def stays(self):
        """Whether the system can keep all rows that are mapped in memory."""
        return self._maps.stay

    def expect_room(self, is_enough):
        """Say whether it can."""
        self._maps.stay = is_enough and not FORGET

    def fetch(self, number, start, stop):
        """Have rows in memory, if they are mapped, before they are used. For a thread that does
        nothing else.
        """
        if not self.unmapped:
            self._maps.fetch(self.parts[number], start, stop)

    def mapped(self, number, start, stop):
        """Rows of a file that is mapped, a view (r, d) of one run of them; in memory, wherever they
        were.
        """
        rows = self._maps.of(self.parts[number])
        rows.fetch(start, stop)
        return rows.rows(start, stop)

    def let_go(self, number, start, stop):
        """Let the system have the memory of rows that were mapped, unless all of them fit."""
        if not self.unmapped:
            self._maps.let_go(self.parts[number], start, stop)

    def check_mapped(self, number):
        """Raise DataError if file ``number`` was written to since it was opened here: what is
        mapped may be anything by now.
        """
        if self.unmapped:
            return
        if change := self.parts[number].change() or self._maps.damage():
            raise DataError(f"{change}; {AGAIN}")

    def change(self):
        """In words, how the files have changed since they were opened here; None if they have not.

        For one rank to call.
        """
        for part in (each for whole in self.parts for each in whole.members or (whole,)):
            if change := part.change():
                return change
        return self._maps.damage()

    def check_unchanged(self):
        """Raise DataError if files were written to, or went away. For one rank to call."""
        if change := self.change():
            raise DataError(f"{change}; {AGAIN}")
