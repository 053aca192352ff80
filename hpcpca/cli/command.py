"""What all commands of hpcpca have in common: help under headings, examples, completion, and words
for names that nobody knows.
"""

import click
from click.shell_completion import CompletionItem

from ..errors import did_you_mean


class File(click.ParamType):
    """Text that begins with the name of a file: shells complete it as such."""

    name = "file"

    def convert(self, value, param, ctx):
        """Return the text as it is: files are looked at where they are opened."""
        return str(value)

    def shell_complete(self, ctx, param, incomplete):
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="file")]


def _names_a_file(param):
    """Whether a parameter is text that stands for files or data."""
    said = param.metavar or ""
    is_meant = isinstance(param, click.Argument) or "FILE" in said or "DATA" in said
    return is_meant and isinstance(param.type, click.types.StringParamType)


class Command(click.Command):
    """A command whose help lists options under the headings of the settings that they belong to,
    and ends with ``examples``: lines of a shell.
    """

    def __init__(self, *arguments, examples=(), **named):
        super().__init__(*arguments, **named)
        self.examples = examples
        for param in self.params:
            if _names_a_file(param):
                param.type = File()

    def format_options(self, ctx, formatter):
        """List options as click does, in a section for each heading; then the examples."""
        sections = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "heading", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def resolve_command(self, ctx, args):
        """As click does; a name that is none gets those that are like it."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            near = did_you_mean(name, known)
            there = near or f"; '{ctx.command_path} --help' lists those that there are"
            raise click.UsageError(f"there is no command {name!r}{there}", ctx)
        return super().resolve_command(ctx, args)
