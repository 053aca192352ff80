"""The data of modules: groups NAME with datasets X and Y, in one file or in several."""

from dataclasses import dataclass

from ...errors import DataError
from ...files.damage import reporting_damage
from ...files.opening import open_file
from ...files.paths import natural_order, whole_files
from ...sources.contents import contents
from ...sources.part import part_of
from ...sources.reading import Reading
from ...sources.source import Source
from ..data import Pairs

INPUTS, TARGETS = "X", "Y"
# what a model has of a module, in a group of its name
STORED = (
    *("inputs", "components", "strength", "r2"),
    *("intercept", "input_mean", "target_mean"),
)


@dataclass(frozen=True)
class Modules:
    """The modules by number: their names, and their ``Pairs`` of rows."""

    names: tuple
    pairs: tuple

    def __len__(self):
        return len(self.names)

    @property
    def title(self):
        """How many there are, and how large, in words."""
        rows, inputs, targets = (
            _range([getattr(each, what) for each in self.pairs]) for what in ("n", "inputs", "d")
        )
        return f"{len(self)} module(s), {rows} rows × ({inputs} inputs + {targets} targets)"

    @property
    def types(self):
        """Those of all values."""
        return list(dict.fromkeys(kind for each in self.pairs for kind in each.types))

    def describe(self):
        """Return the descriptions of all datasets, with their roles."""
        return [part for each in self.pairs for part in each.describe()]

    def change(self):
        """What happened to the files since they were opened, in words, or None."""
        return next((change for each in self.pairs if (change := each.change())), None)

    def tell(self, say):
        """Nothing can be odd about single datasets."""


def _range(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low}–{high}"


def open_modules(config, own=()):
    """Return the ``Modules`` of the files that settings name; raise DataError.

    For one rank to call.
    """
    found = {}
    least = 1 if config.no_centre else 2
    for path in whole_files(config.data, "--modules takes whole files", set(own)):
        for name in _named(path):
            if name in found:
                raise DataError(
                    f"{path}: module {name} is in {found[name].x.parts[0].path} too; give modules"
                    " names of their own"
                )
            found[name] = _pairs(path, name, config.follow_links)
            if found[name].n < least:
                raise DataError(
                    f"{path}: module {name} has one row only; a regression needs at least two"
                )
    _check_names(found)
    return Modules(tuple(found), tuple(found.values()))


def _check_names(names):
    """Raise DataError if a name is that of something of another module in a model."""
    for name in names:
        parts = name.split("/")
        for k, part in enumerate(parts[1:], start=1):
            if part in STORED and "/".join(parts[:k]) in names:
                raise DataError(
                    f"module {name} would lie in what a model has of module"
                    f" {'/'.join(parts[:k])}; rename one of them"
                )


def _named(path):
    """The names of a file's modules, in natural order."""
    sides = {}
    with reporting_damage(path), open_file(path) as file:
        for held in contents(file):
            group, _, side = held.name.rpartition("/")
            if side in (INPUTS, TARGETS):
                sides.setdefault(group, set()).add(side)
    for group, there in sides.items():
        if missing := {INPUTS, TARGETS} - there:
            raise DataError(
                f"{path}: module {group or '/'} has no {missing.pop()}; a module is a group with"
                " inputs X and targets Y"
            )
    if "" in sides:
        raise DataError(f"{path}: X and Y stand outside of groups; put them into one: its name")
    if not sides:
        raise DataError(f"{path} has no modules: groups with inputs X and targets Y")
    return sorted(sides, key=natural_order)


def _pairs(path, name, follow_links):
    sides = (
        Source([part_of(path, f"{name}/{side}", Reading(follow_links))])
        for side in (INPUTS, TARGETS)
    )
    x, y = sides
    for side in (x, y):
        if not (side.n and side.d):
            raise DataError(f"{side.parts[0].name} is empty: {side.n} rows, {side.d} columns")
    return Pairs(x, y)
