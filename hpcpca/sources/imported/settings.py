"""What ``data import`` is told of its files. Nothing heavy is imported here."""

from dataclasses import dataclass

from ...errors import UsageError
from ...options import Settings, option

NAMED = {
    "tab": "\t",
    "comma": ",",
    "semicolon": ";",
    "space": None,
    " ": None,
}  # None: any run of blanks


@dataclass(frozen=True)
class Importing(Settings):
    """Importing"""

    columns: str | None = option(
        "Only these columns: a range, numbers, or names.", metavar="A:B|I,J,…|NAME,…"
    )
    skip_columns: str | None = option(
        "All columns but these; they may hold anything.", metavar="A:B|I,J,…|NAME,…"
    )
    delimiter: str | None = option(
        "What is between the values of a line: a character, tab, or space for any run of blanks;"
        " default: a comma in .csv, a tab in .tsv, blanks in .txt.",
        metavar="CHAR",
    )
    header: bool | None = option(
        "Whether the first line has the names of the columns; default: if it is no numbers.",
        "--header/--no-header",
    )
    missing: tuple = option(
        "A word that stands for a missing value, besides nothing, NA, N/A, NULL, None and NaN; may"
        " be given several times.",
        default=(),
        metavar="WORD",
        multiple=True,
    )

    def check(self):
        """Raise UsageError if an option makes no sense."""
        if self.columns is not None and self.skip_columns is not None:
            raise UsageError("--columns and --skip-columns: give one of them")
        mark = self.delimiter
        if mark is None or mark in NAMED:
            return
        if len(mark) != 1 or mark in '"\r\n' or not mark.isascii():
            raise UsageError(f"--delimiter {mark!r}: a character of ASCII, tab or space is needed")

    def asked_of_text(self):
        """Options that were given and are of text alone, as they are typed."""
        given = {name: getattr(self, name) for name in ("delimiter", "header", "missing")}
        return [self.typed(name) for name, value in given.items() if value not in (None, ())]
