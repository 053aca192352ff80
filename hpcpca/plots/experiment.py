"""An experiment's series: the paper's error against rounds, applications and seconds, medians and ranges over seeds."""

import json

import numpy as np

from ..io.damage import naming
from ..io.source import open_file
from .canvas import canvas

FORMAT = "hpcpca-experiment"
FLOOR = 1e-16
COLUMNS = ("round", "applications of Σ per worker", "seconds")


def draw(source, path):
    """Draw the experiment in the HDF5 file ``source``; raise DataError, UsageError or PlatformError."""
    with naming(source), open_file(source) as file:
        panels = {}
        for group in file["series"].values():
            panels.setdefault(group.attrs["panel"], []).append(_series(group))
    with canvas(path, len(panels), len(COLUMNS), (5, 3.6)) as axes:
        for row, (title, all_series) in zip(axes, panels.items()):
            for axis, column in zip(row, COLUMNS):
                for label, x, error in all_series:
                    _line(axis, x[column], error, label)
                axis.set(xlabel=column, yscale="log")
            row[0].set_ylabel("error")
            row[1].set_title(title)
            row[-1].legend(fontsize="xx-small")


def _series(group):
    """Label, {column: (R)} and errors (seeds, R)."""
    errors = group["errors"][...]  # (seeds, R, K)
    counted = group.attrs["every"] * np.arange(1, errors.shape[1] + 1)
    rounds = np.median(group["rounds"][...], axis=0) if "rounds" in group else counted
    x = (rounds, np.median(group["applications"][...], axis=0) / errors.shape[2], np.median(group["seconds"][...], axis=0))
    return name_of(json.loads(group.attrs["labels"])), dict(zip(COLUMNS, x)), np.sqrt((errors**2).mean(axis=2))


def _line(axis, x, error, label):
    error = np.maximum(error, FLOOR)
    drawn, = axis.plot(x, np.median(error, axis=0), label=label)
    axis.fill_between(x, error.min(axis=0), error.max(axis=0), alpha=0.15, color=drawn.get_color())


def name_of(labels):
    """"power, hotelling", "T = 5" …: what tells a series from the others of its panel."""
    return ", ".join(value if isinstance(value, str) else f"{name} = {value:g}" for name, value in labels.items() if name != "data")
