"""The command reference in docs: ``python -m hpcpca.cli.reference > docs/commands.md``."""

import click

from . import commands

WIDTH = 100  # columns of the help; a terminal's own must not matter
HEAD = """# Commands

This page is made from the program: `python -m hpcpca.cli.reference > docs/commands.md`.
A test sees to it that the two agree. It shows what `hpcpca COMMAND --help` shows. The other pages
say what to use when: [fit](fit.md), [data](data.md), [methods](methods.md).
"""


def page():
    """Return the whole page: every command with its help, in the order of ``hpcpca --help``."""
    contexts = _contexts(commands, "hpcpca")
    found = [(context.command_path, context.get_help()) for context in contexts]
    links = [f"* [{name}](#{name.replace(' ', '-')})" for name, _ in found]
    texts = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in found]
    return "\n".join([HEAD, "\n".join(links) + "\n", *texts])


def _contexts(command, name, parent=None):
    """Yield the context of a command and of all below it."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **command.context_settings,
    )
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from _contexts(command.get_command(context, each), each, context)


if __name__ == "__main__":
    click.echo(page(), nl=False)
