"""Option types that several commands share."""

import click

from ..units import parse_size


class Size(click.ParamType):
    """A number of bytes, such as 2G."""

    name = "size"

    def convert(self, value, param, ctx):
        """Bytes of the text; a usage error where it is none."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
