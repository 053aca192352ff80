"""What a run has learnt of the columns of its data, and reads them with."""

from dataclasses import dataclass

import numpy as np

NAMES = ("columns", "fill", "fill_components", "scale", "left_out")


@dataclass
class Learned:
    """None: nothing. ``columns`` (d): numbers of those that are taken, as files have them.
    ``fill`` (d): what missing values become; with ``fill_components`` (K, d) it is the mean, in
    scaled units, that these are added to as fits the row's other values best. ``scale`` (d): what
    values are multiplied by. ``left_out``: numbers of rows that are not taken, counted over all
    that are named.
    """

    columns: np.ndarray | None = None
    fill: np.ndarray | None = None
    fill_components: np.ndarray | None = None
    scale: np.ndarray | None = None
    left_out: np.ndarray | None = None

    @classmethod
    def of(cls, arrays):
        """Return that of a result's arrays {name: array}."""
        return cls(**{name: arrays[name] for name in NAMES if name in arrays})

    def arrays(self):
        """{name: array} of what there is, as results have it."""
        found = {name: getattr(self, name) for name in NAMES}
        return {name: array for name, array in found.items() if array is not None}
