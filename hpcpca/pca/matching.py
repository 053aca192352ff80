"""Components laid out for data whose columns stand in another order, or are not all there."""

from collections import Counter
from dataclasses import dataclass, fields, replace

import numpy as np

from ..errors import DataError
from ..files.result import Stored
from ..sources.learned import Learned
from ..units import listed
from .features import Features, of_result
from .scores import Basis

REFUSE, AT_MEAN = POLICIES = ("refuse", "mean")


@dataclass(frozen=True)
class MatchedBasis(Basis):
    """A ``Basis`` for rows of ``d`` columns: column j of the components stands at ``places[j]``, or
    nowhere (−1). Other columns do not count.
    """

    places: np.ndarray = None

    def rows(self, start, stop):
        """As of ``Basis``."""
        return laid_out(super().rows(start, stop), self.places, self.d)


def laid_out(array, places, width):
    """Return an array (…, d) with column j at ``places[j]`` of ``width``, or left out if that is
    −1; zeros elsewhere.
    """
    out = np.zeros((*array.shape[:-1], width))
    out[..., places[places >= 0]] = array[..., places >= 0]
    return out


def matched(basis, source, missing):
    """Return the ``Basis`` for the columns of a source by their names, and a line on that; raise
    DataError. ``missing`` is one of POLICIES. For one rank to call.
    """
    wanted = of_result(Stored(basis.path)).names
    if wanted is None:
        raise DataError(
            f"{basis.path} has no names of columns, since the data that were fitted had none; if"
            " columns stand in the same order, 'hpcpca transform' needs none"
        )
    _check_once(basis.path, wanted, wanted)
    there = names_of(source)
    _check_once(source.parts[0].name, there, wanted)
    numbers = {name: number for number, name in enumerate(there)}
    places = np.array([numbers.get(name, -1) for name in wanted], np.int64)
    gone = [name for name, place in zip(wanted, places) if place < 0]
    if len(gone) == len(wanted) or (gone and missing == REFUSE):
        remedy = "" if len(gone) == len(wanted) else ", or take them at their means: --missing mean"
        raise DataError(
            f"{source.parts[0].name} lacks {len(gone)} of the {len(wanted)} columns of"
            f" {basis.path}: {listed(gone)}; give data that have them{remedy}"
        )
    note = f"columns: {len(wanted) - len(gone)} of {len(wanted)} matched by name"
    if gone:
        note += f"; taken at their means: {listed(gone)}"
    if others := len(there) - len(wanted) + len(gone):
        note += f"; {others} of the data do not count"
    known = {each.name: getattr(basis, each.name) for each in fields(Basis)}
    known |= {"d": len(there), "mean": laid_out(basis.mean, places, len(there)), "axes": ()}
    known["learned"] = _learned(basis.learned, places, len(there))
    return MatchedBasis(**known, places=places), note


def _learned(learned, places, width):
    """What was learnt of the columns, laid out. Those that do not count become 0."""
    found = {
        name: laid_out(array, places, width)
        for name, array in learned.arrays().items()
        if name not in ("columns", "left_out")
    }
    return replace(Learned(), **found)


def names_of(source):
    """Names of the columns that a source has, the same in all of its files; raise DataError."""
    first = None
    for number, part in enumerate(source.parts):
        with source.open(number) as opened:
            axes = opened.axes()
        names = Features(axes[: part.axis] + axes[part.axis + 1 :]).names
        if names is None:
            raise DataError(f"{part.name} has no names of columns; 'hpcpca transform' needs none")
        if first is not None and names != first:
            raise DataError(
                f"{part.name} has other columns, or in another order, than {source.parts[0].name};"
                " project each by itself"
            )
        first = names
    return first


def _check_once(path, names, wanted):
    """Raise DataError if one of the names that are wanted stands for several columns."""
    counts, known = Counter(names), set(wanted)
    several = [name for name, count in counts.items() if count > 1 and name in known]
    if several:
        raise DataError(
            f"{path} has several columns called {listed(several)}; make the names unique"
        )
