"""What the columns of the data are called, as results keep it: /features, and ``feature_axes``."""

import json
from dataclasses import dataclass

import numpy as np

from ..sources.labels import Axis

GROUP, ATTRIBUTE = "features", "feature_axes"


@dataclass(frozen=True)
class Features:
    """The axes of a sample, and the numbers (d) of the columns that were taken of all that these
    make (None: all of them).
    """

    axes: tuple  # of Axis; () if nothing is known
    columns: np.ndarray | None = None

    @property
    def names(self):
        """Names of the columns that were taken: list of str; None if they have none, or several
        axes became columns.
        """
        if len(self.axes) != 1 or self.axes[0].values is None:
            return None
        words = self.axes[0].words()
        return words if self.columns is None else [words[number] for number in self.columns]

    def name(self, column):
        """What a column is called: by its place along each axis, or by its number."""
        number = column if self.columns is None else int(self.columns[column])
        known = [axis for axis in self.axes if axis.values is not None]
        if not known or len(known) < len(self.axes):
            return str(number)
        places = np.unravel_index(number, [len(axis.values) for axis in self.axes])
        return ", ".join(
            Axis(values=axis.values[place : place + 1]).words()[0]
            for axis, place in zip(self.axes, places)
        )


def read(world, source):
    """Return the root's ``Features`` of the first file of a source; elsewhere they are empty.
    Collective.
    """
    axes = ()
    with world.agreed():
        if world.is_root:
            with source.open(0) as opened:
                axes = opened.axes()
            sample = source.parts[0].axis
            axes = axes[:sample] + axes[sample + 1 :]
    return Features(axes)


def stored(features):
    """Return (arrays, attributes) that a result keeps of them."""
    arrays, told = {}, []
    for number, axis in enumerate(features.axes):
        names = [each["name"] for each in told]
        is_plain = axis.name and "/" not in axis.name and axis.name not in names
        place = f"{GROUP}/{axis.name if is_plain else number}"
        told.append({"name": axis.name, "units": axis.units})
        if axis.values is not None:
            arrays[place] = axis.values
            told[-1]["values"] = place
    is_known = any(each["name"] or "values" in each for each in told)
    return arrays, {ATTRIBUTE: json.dumps(told)} if is_known else {}


def of_result(stored):
    """Return the ``Features`` that a Stored result keeps."""
    told = json.loads(stored.attributes.get(ATTRIBUTE, "[]"))
    axes = [
        Axis(each["name"], stored.arrays.get(each.get("values")), each["units"]) for each in told
    ]
    return Features(tuple(axes), stored.arrays.get("columns"))
