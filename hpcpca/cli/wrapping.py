"""Lines that break between words: on terminals, and in --help.

Other streams get every message in one line.
"""

import os
import sys
import textwrap

import click

UNBROKEN = "\u2011"  # a hyphen that no line breaks at


class Formatter(click.HelpFormatter):
    """Keeps options whole, which click breaks at their hyphens."""

    def write_text(self, text):
        """Write a paragraph."""
        super().write_text(text.replace("-", UNBROKEN))

    def write_dl(self, rows, *sizes, **named):
        """Write a list of terms and what they mean."""
        super().write_dl(
            [(term, text.replace("-", UNBROKEN)) for term, text in rows], *sizes, **named
        )

    def getvalue(self):
        """The whole text."""
        return super().getvalue().replace(UNBROKEN, "-")


def tell(text, stream=None):
    """Print ``text`` to ``stream`` (default: stdout), fitted."""
    stream = stream or sys.stdout
    print(fitted(text, stream), file=stream, flush=True)


def fitted(text, stream):
    """The text; if the stream is a terminal, with lines that are too long for it broken between
    words.
    """
    width = _width(stream)
    return "\n".join(_broken(line, width) for line in text.split("\n")) if width else text


def _broken(line, width):
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, width, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False
    )


def _width(stream):
    """Columns of the terminal that ``stream`` is, else 0."""
    try:
        if not stream.isatty():
            return 0
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0
