"""Option types that several commands share."""

import re

import click

from ..config import SHORT
from ..units import parse_size

follow_links = click.option("--follow-links", is_flag=True, default=None, help="Read values that a dataset takes from files outside of its folder.")


class Size(click.ParamType):
    """A number of bytes from 1 on, such as 2G."""

    name = "size"

    def convert(self, value, param, ctx):
        """Bytes of the text; a usage error where it is none."""
        try:
            found = value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return found if found > 0 else self.fail(f"{value}: more than nothing is needed, such as 2G", param, ctx)


def as_typed(message, words):
    """The message with options named as they are among the ``words`` of the command line, long or short."""
    for name, short in SHORT.items():
        long = f"--{name}"
        if any(re.match(f"{long}(=|$)", word) for word in words):
            message = message.replace(f"'{short}' / '{long}'", f"'{long}'")
            message = re.sub(rf"(?<![\w./-]){short}(?![\w./-])", long, message)
        elif any(re.match(f"-[a-z]*{short[1]}", word) for word in words):
            message = message.replace(f"'{short}' / '{long}'", f"'{short}'")
    return message
