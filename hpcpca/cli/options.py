"""Click options made from settings, and what commands declare beside them."""

import re
from dataclasses import fields
from itertools import chain
from typing import get_args

import click

from ..options import flags_of, is_option
from ..sources.reading import Reading
from ..units import parse_size

SHORT = {
    "components": "-k",
    "rank": "-r",
    "output": "-o",
    "quiet": "-q",
    "columns": "-d",
    "verbose": "-v",
}  # options that have a short form
WIDEST = 40  # letters of choices beside an option


class Size(click.ParamType):
    """A number of bytes from 1 on, such as 2G."""

    name = "size"

    def convert(self, value, param, ctx):
        """Bytes of the text; a usage error where it is none."""
        try:
            found = value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return (
            found
            if found > 0
            else self.fail(f"{value}: more than nothing is needed, such as 2G", param, ctx)
        )


class NumberOrAuto(click.ParamType):
    """A whole number, or "auto"."""

    name = "number or auto"

    def convert(self, value, param, ctx):
        """The number, or "auto"; a usage error for anything else."""
        if value == "auto" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor auto", param, ctx)


class NumberOrShare(click.ParamType):
    """A whole number, a share below 1, or the name of one of ``rules``."""

    name = "number, share or rule"

    def __init__(self, rules):
        self.rules = rules

    def convert(self, value, param, ctx):
        """An int, a float or the name; a usage error for anything else."""
        if isinstance(value, int | float) or value in self.rules:
            return value
        try:
            return int(value)
        except ValueError:
            pass
        try:
            share = float(value)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            rules = ", ".join(self.rules)
            self.fail(
                f"{value!r} is no whole number, no share below 1, none of {rules}", param, ctx
            )
        return share


follow_links = click.option(
    "--follow-links",
    is_flag=True,
    default=None,
    help="Read values that a dataset takes from files outside of its folder.",
)


class SettingsOption(click.Option):
    """An option made from a field of settings."""

    heading = "Options"


def options_of(*parts, names=None):
    """Return a decorator that adds the options of settings ``parts``, all or those of ``names``,
    in this order.
    """

    def decorate(function):
        for part in reversed(parts):
            for each in reversed(
                [
                    each
                    for each in fields(part)
                    if is_option(each) and (names is None or each.name in names)
                ]
            ):
                function = click.option(
                    *flags_of(each), each.name, cls=headed(part), **_words(each)
                )(function)
        return function

    return decorate


def parameters(settings, names):
    """Return {what a command that has options of several problems calls one: its field}, those of
    ``names``. It is called by its long flag.
    """
    known = {each.name: each for each in fields(settings)}
    chosen = [known[name] for name in names]
    return {
        flags_of(each)[-1].partition("/")[0].lstrip("-").replace("-", "_"): each for each in chosen
    }


def options_of_all(offered):
    """Return a decorator that adds the options of several problems, ``offered`` as {command:
    {parameter: field}}; those that some share are one option, with the choices of all. None is
    required.
    """
    found = {}
    for command, names in offered.items():
        for name, each in names.items():
            found.setdefault(name, {})[command] = each

    def decorate(function):
        for name, owners in reversed(found.items()):
            each = next(iter(owners.values()))
            heading = (
                "Options" if len(owners) == len(offered) else f"Of {' and '.join(owners)} only"
            )
            said = {**_words(each), "required": False, "default": None}
            texts = dict.fromkeys(field.metadata["help"] for field in owners.values())
            if len(texts) > 1:
                said["help"] = " ".join(
                    f"{command}: {field.metadata['help']}" for command, field in owners.items()
                )
            if each.metadata["choices"]:
                all_choices = (field.metadata["choices"] for field in owners.values())
                said |= _among(list(dict.fromkeys(chain(*all_choices))), said)
            function = click.option(*flags_of(each), name, cls=_under(heading), **said)(function)
        return function

    return decorate


def headed(part):
    """Return the class of options under the heading of a part: the first line of its docstring."""
    return _under(part.__doc__.splitlines()[0].rstrip("."))


def _among(choices, said):
    """What click is told of choices: more than a narrow terminal has room for stand in the text."""
    if said.get("metavar") or len("|".join(choices)) <= WIDEST:
        return {"type": click.Choice(choices)}
    told = f"{said['help']} One of: {', '.join(choices)}."
    return {"type": click.Choice(choices), "metavar": "NAME", "help": told}


def _under(heading):
    return type("SettingsOption", (SettingsOption,), {"heading": heading})


def _words(each):
    """What click is told of a field. Nothing is a default there: settings have their own."""
    at, words = each.metadata, dict(each.metadata["words"])
    kind = next((kind for kind in get_args(each.type) if kind is not type(None)), each.type)
    said = {"help": at["help"], "metavar": words.get("metavar")}
    # click takes a default, even None, for a value: then nothing is required
    said |= {"required": True} if words.get("required") else {"default": None}
    if kind is bool:
        return {**said, "is_flag": True} if "/" not in flags_of(each)[0] else said
    if at["choices"]:
        said |= _among(list(at["choices"]), said)
    elif words.get("path"):
        said["type"] = click.Path()
    elif words.get("size"):
        said["type"] = Size()
    elif rules := words.get("or_share"):
        said["type"] = NumberOrShare(rules)
    elif words.get("or_auto"):
        said["type"] = NumberOrAuto()
    elif words.get("multiple"):
        said["multiple"] = True
    else:
        said["type"] = kind
    return said


def given(settings, options):
    """Only those options that were given and are fields of ``settings``; the rest keep their
    defaults.
    """
    names = {each.name for each in fields(settings)}
    return {
        name: value for name, value in options.items() if name in names and value not in (None, ())
    }


def as_typed(message, words):
    """The message with options named as they are among the ``words`` of the command line, long
    or short.
    """
    for name, short in SHORT.items():
        long = f"--{name}"
        if any(re.match(f"{long}(=|$)", word) for word in words):
            message = message.replace(f"'{short}' / '{long}'", f"'{long}'")
            message = re.sub(rf"(?<![\w./-]){short}(?![\w./-])", long, message)
        elif any(re.match(f"-[a-z]*{short[1]}", word) for word in words):
            message = message.replace(f"'{short}' / '{long}'", f"'{short}'")
    return message


def reading_of(stored, options, follow_links=False):
    """Return the ``Reading`` of a result's data, as it is ``stored`` (None: there is no result),
    and as ``options`` change that.
    """
    known = Reading.restored(stored.config if stored else {}, follow_links=bool(follow_links))
    return known.but(**given(Reading, options))
