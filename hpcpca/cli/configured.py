"""``--config``: options from a file, or as a result has them.

In TOML a key is an option's long name, with - or _ between its words; ``data`` are the arguments.
Options that are typed go before.
"""

import json

import click

from ..errors import (
    DataError,
    HpcpcaError,
    PlatformError,
    UsageError,
    describe,
    did_you_mean,
    on_all_ranks,
)
from .command import Command, File

SIGNATURE = b"\x89HDF\r\n\x1a\n"

OTHER = ("output", "overwrite", "checkpoint", "resumed_from")  # of the first run alone


class ConfiguredCommand(Command):
    """A command whose options a file may have. ``settings`` {problem: class} are those of the
    results that it can do again; {option: parameter} of what is ``called`` otherwise in one.
    """

    def __init__(self, *arguments, settings, called=None, **named):
        super().__init__(*arguments, **named)
        self.settings, self.called = settings, called or {}
        self._required = [each for each in _arguments(self) if each.required]
        for each in self._required:
            each.required = False  # before it is known whether the file has them
        option = click.Option(
            ["--config"],
            metavar="FILE.toml|RESULT",
            is_eager=True,
            expose_value=False,
            callback=_configure,
            help="Data and options from a file, or those of an earlier result, but for the files"
            " that it was written to. What is typed goes before.",
        )
        option.type = File()
        self.params.append(option)

    def parse_args(self, ctx, args):
        """As click does; arguments too may be the file's."""
        rest = super().parse_args(ctx, args)
        known = ctx.default_map or {}
        for each in _arguments(self):
            if not ctx.params.get(each.name) and each.name in known:
                ctx.params[each.name] = each.type_cast_value(ctx, known[each.name])
        for each in self._required:
            if not ctx.params.get(each.name) and not ctx.resilient_parsing:
                raise click.MissingParameter(ctx=ctx, param=each)
        return rest

    def again(self, problem, config):
        """Return {option: value} of what a result's ``config`` (JSON) has that is no default and
        that another run can have too.
        """
        found, defaults = json.loads(config), self.settings[problem]()
        known = {each.name for each in self.params}
        called = self.called.get(problem, {})
        return {
            called.get(name, name): value
            for name, value in found.items()
            if called.get(name, name) in known - {*OTHER}
            and value is not None
            and (tuple(value) if isinstance(value, list) else value) != getattr(defaults, name)
        }


def _arguments(command):
    return [each for each in command.params if isinstance(each, click.Argument)]


def _configure(ctx, _, path):
    """Let the options of the file at ``path`` stand for those that are not typed."""
    if path is not None and not ctx.resilient_parsing:
        try:
            ctx.default_map = _known(ctx.command, path, _read(ctx.command, path))
        except HpcpcaError as error:
            raise on_all_ranks(error) from None


def _read(command, path):
    """Return {option: value} of a TOML file or a result; raise DataError or PlatformError."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(SIGNATURE))
            if start == SIGNATURE:
                return _stored(command, path)
            return _toml().loads((start + file.read()).decode())
    except OSError as error:
        raise DataError(f"--config {path} cannot be read: {describe(error)}") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise DataError(f"--config {path} is no TOML: {describe(error)}; correct it") from None


def _toml():
    """The reader of TOML, Python's own from 3.11 on; raise PlatformError."""
    try:
        import tomllib
    except ImportError:
        raise PlatformError(
            "--config FILE.toml needs Python 3.11; give --config a result, or type the options"
        ) from None
    return tomllib


def _stored(command, path):
    from ..files.opening import open_file
    from ..files.seal import reading_own

    with reading_own(path), open_file(path) as file:
        problem, config = file.attrs.get("problem", "fit"), file.attrs.get("config")
    if config is None or problem not in command.settings:
        what = f"is a result of 'hpcpca {problem}'" if config else "is no result of hpcpca"
        raise DataError(f"--config {path} {what}; name one of 'hpcpca {command.name}'")
    return command.again(problem, config)


def _known(command, path, found):
    """{parameter: value} of what a file says; raise UsageError for what is no option."""
    known, given = {}, {}
    for each in command.params:
        flags = [flag for flag in each.opts if flag.startswith("--")]
        known |= {name.lstrip("-").replace("-", "_"): each for name in (*flags, each.name)}
    del known["config"]
    for key, value in found.items():
        each = known.get(key.replace("-", "_"))
        if each is None or isinstance(value, dict):
            why = "is a table: write options, one a line" if each else "is no option"
            options = [name.replace("_", "-") for name in known]
            near = did_you_mean(key, options) or "; --help lists options"
            raise UsageError(f"--config {path}: {key} {why}{near if each is None else ''}")
        is_list = each.nargs == -1 or getattr(each, "multiple", False)
        given[each.name] = [value] if is_list and not isinstance(value, list) else value
    return given


def as_toml(settings):
    """Yield lines of TOML for {option: value}: what ``--config`` reads."""
    for name, value in settings.items():
        yield f"{name.replace('_', '-')} = {_value(value)}"


def _value(value):
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)
