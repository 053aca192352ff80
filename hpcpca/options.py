"""Options declared once, as fields of frozen dataclasses beside what they set.

Command lines, checks and stored configurations are made from them.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import ClassVar

from .errors import UsageError

AUTO = "auto"  # leaves a choice to the program


def option(text, *flags, default=None, least=None, choices=None, by_problem=False, **words):
    """Declare a field that is an option.

    ``text`` is its help, ``flags`` how users type it (default: the field's name), ``least`` the
    smallest number allowed, ``choices`` a sequence or mapping of names; ``words`` go to click as
    they are. An option ``by_problem`` does nothing unless the problem sees to it: only commands
    whose settings name it in ``takes`` have it.
    """
    metadata = {"help": text, "flags": flags, "least": least, "choices": choices, "words": words}
    return field(default=default, metadata={**metadata, "by_problem": by_problem})


def is_option(each):
    """Whether a dataclass field was declared with ``option``."""
    return "help" in each.metadata


def flags_of(each):
    """How users type a field: ("-k", "--components"), or ("--stagger/--no-stagger",)."""
    return each.metadata["flags"] or ("--" + each.name.replace("_", "-"),)


def spelled(each, value=True):
    """The shortest way to type a field's option with this value: "-k", "--no-stagger"."""
    yes, _, no = flags_of(each)[0].partition("/")
    return no if no and value is False else yes


@dataclass(frozen=True)
class Settings:
    """Base of all settings: what they share."""

    takes: ClassVar[tuple] = ()  # names of those options ``by_problem`` that its problem sees to

    @classmethod
    def offered(cls):
        """Return the names of the options that a command with these settings has."""
        return {
            each.name
            for each in fields(cls)
            if is_option(each) and (each.name in cls.takes or not each.metadata["by_problem"])
        }

    def check(self):
        """Raise UsageError if options contradict each other, whatever the data are."""

    def check_least(self, cls):
        """Raise UsageError if a number of ``cls``'s options is below the least allowed."""
        for each in fields(cls):
            value, least = getattr(self, each.name), each.metadata.get("least")
            if isinstance(value, int | float) and least is not None and value < least:
                raise UsageError(f"{spelled(each)} {value}: at least {least} is needed")

    def check_choices(self, cls):
        """Raise UsageError if one of ``cls``'s options is none of its choices, as those of a
        command for several problems may be.
        """
        for each in fields(cls):
            value, choices = getattr(self, each.name), each.metadata.get("choices")
            if choices and value is not None and value not in choices:
                known = ", ".join(choices)
                raise UsageError(f"{spelled(each)} {value}: one of {known} is needed")

    def typed(self, name):
        """How the option of field ``name`` is typed, with the value it has here."""
        each = next(each for each in fields(self) if each.name == name)
        return spelled(each, getattr(self, name))

    def stored(self):
        """As a dict for JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, stored, **changes):
        """Return settings from what ``stored`` gave, with ``changes``; names that this version
        does not know are left out.
        """
        known = {name: value for name, value in stored.items() if name in cls.__dataclass_fields__}
        known = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in known.items()
        }
        return replace(
            cls(**{name: value for name, value in known.items() if value is not None}), **changes
        )


def compose(*parts):
    """Return a base for a frozen dataclass with the fields of all ``parts``, which are Settings,
    and their checks in this order.
    """

    def check(self):
        """Raise UsageError if options contradict each other, whatever the data are; return the
        settings.
        """
        for part in parts:
            self.check_least(part)
            self.check_choices(part)
            part.check(self)
        return self

    return type("Composed", parts, {"parts": parts, "check": check})
