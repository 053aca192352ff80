"""Kinds of values of options."""

import re

import click


class Shape(click.ParamType):
    """Rows by columns, such as 200000x2000, or a ``word``."""

    name = "shape"

    def __init__(self, example="200000x2000", word=None):
        self.example, self.word = example, word

    def convert(self, value, param, ctx):
        """(n, d) of the text, or the word; a usage error where it is neither."""
        if value == self.word:
            return value
        match = re.fullmatch(r"(\d[\d_]*)x(\d[\d_]*)", value) if isinstance(value, str) else None
        if not match:
            self.fail(
                f"{value!r} is not a shape; write rows x columns, such as {self.example}",
                param,
                ctx,
            )
        return int(match[1]), int(match[2])


class Numbers(click.ParamType):
    """Whole numbers with commas between."""

    name = "N,…"

    def __init__(self, least=1):
        self.least = least

    def convert(self, value, param, ctx):
        """Return them as a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(int(word) for word in value.split(","))
        except ValueError:
            found = ()
        return (
            found
            if found and min(found) >= self.least
            else self.fail(
                f"{value}: write whole numbers from {self.least} on with commas between, as 1,2,4",
                param,
                ctx,
            )
        )
