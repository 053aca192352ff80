"""An experiment's series: the paper's error against rounds, applications and seconds, medians
and ranges over seeds.
"""

import json

import numpy as np

from ..files.damage import reporting_damage
from ..files.opening import open_file
from .canvas import canvas, whole_ticks

FLOOR = 1e-16
COLUMNS = ("round", "applications of Σ per worker", "seconds")


def draw(source, path):
    """Draw the experiment in the HDF5 file ``source``; raise DataError, UsageError or
    PlatformError.
    """
    with reporting_damage(source), open_file(source) as file:
        if "against" in file.attrs:
            return _draw_against(file, path)
        if "lines" in file.attrs:
            return _draw_lines(file, path)
        panels = {}
        for group in file["series"].values():
            panels.setdefault(group.attrs["panel"], []).append(_series(group))
    with canvas(path, len(panels), len(COLUMNS), (5, 3.6)) as axes:
        for row, (title, all_series) in zip(axes, panels.items()):
            for axis, column in zip(row, COLUMNS):
                for label, x, error in all_series:
                    _line(axis, x[column], error, label)
                axis.set(xlabel=column, yscale="log")
            whole_ticks(row[0])
            row[0].set_ylabel("error")
            row[1].set_title(title)
            row[-1].legend(
                fontsize="xx-small", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
            )


def _series(group):
    """Label, {column: (R)} and errors (seeds, R)."""
    errors = group["errors"][...]  # (seeds, R, K)
    counted = group.attrs["every"] * np.arange(1, errors.shape[1] + 1)
    rounds = np.median(group["rounds"][...], axis=0) if "rounds" in group else counted
    x = (
        rounds,
        np.median(group["applications"][...], axis=0) / errors.shape[2],
        np.median(group["seconds"][...], axis=0),
    )
    return (
        name_of(json.loads(group.attrs["labels"])),
        dict(zip(COLUMNS, x)),
        np.sqrt((errors**2).mean(axis=2)),
    )


def _draw_against(file, path):
    """Measures at the end against one of the labels; series without a number there are drawn all
    along it.
    """
    against, shown, panels = file.attrs["against"], json.loads(file.attrs["shown"]), {}
    for group in file["series"].values():
        labels = json.loads(group.attrs["labels"])
        x, panel = labels.pop(against), group.attrs["panel"]
        labels = {name: value for name, value in labels.items() if value != panel} or labels
        lines = panels.setdefault(group.attrs["panel"], {})
        lines.setdefault(name_of(labels), []).append(
            (x, {name: group[name][...] for name in shown})
        )
    with canvas(path, len(panels), len(shown), (5, 3.6)) as axes:
        for row, (title, lines) in zip(axes, panels.items()):
            for axis, name in zip(row, shown):
                for number, (label, points) in enumerate(lines.items()):
                    _points(axis, [(x, values[name]) for x, values in points], label, f"C{number}")
                axis.set(xlabel=against, ylabel=name, xscale="log", yscale="log")
            row[0].set_title(title)
            row[-1].legend(
                fontsize="xx-small", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
            )


def _draw_lines(file, path):
    """What every worker, or other part, has of a measure, against rounds: a panel for each
    series.
    """
    what, rounds, panels = file.attrs["lines"], file.attrs.get("rounds", "round"), {}
    for group in file["series"].values():
        panels.setdefault(group.attrs["panel"], []).append(group)
    with canvas(path, len(panels), max(map(len, panels.values())), (4.2, 3.2)) as axes:
        for row, groups in zip(axes, panels.values()):
            for axis, group in zip(row, groups):
                values = group[what][...]  # (seeds, R, K)
                at = group.attrs["every"] * np.arange(1, values.shape[1] + 1)
                names = json.loads(group.attrs.get("of", "null"))
                for k in range(values.shape[2]):
                    if values[:, :, k].any():
                        _line(axis, at, values[:, :, k], names[k] if names else f"worker {k}")
                title = name_of(json.loads(group.attrs["labels"]))
                axis.set(xlabel=rounds, yscale="log", title=title)
                whole_ticks(axis)
                if names or axis is row[-1]:
                    axis.legend(fontsize="xx-small", frameon=False)
            row[0].set_ylabel(what)


def _points(axis, points, label, color):
    numbers = sorted((x, values) for x, values in points if not isinstance(x, str))
    if not numbers:
        axis.axhline(np.median(points[0][1]), linestyle="--", label=label, color=color)
        return
    x, values = zip(*numbers)  # some were perhaps tried with more seeds than others
    if len(x) == 1:
        ends = np.percentile(values[0], [50, 0, 100])
        span = np.abs(ends[1:] - ends[0])[:, None]
        axis.errorbar(x, ends[:1], span, marker=".", label=label, color=color)
        return
    axis.plot(x, [np.median(each) for each in values], marker=".", label=label, color=color)
    axis.fill_between(
        x, [each.min() for each in values], [each.max() for each in values], alpha=0.15, color=color
    )


def _line(axis, x, error, label):
    error = np.maximum(error, FLOOR)
    (drawn,) = axis.plot(x, np.median(error, axis=0), label=label)
    axis.fill_between(x, error.min(axis=0), error.max(axis=0), alpha=0.15, color=drawn.get_color())


def name_of(labels):
    """Return "power, hotelling", "T = 5" …: what tells a series from the others of its panel."""
    return ", ".join(
        value if isinstance(value, str) else f"{name} = {value:g}"
        for name, value in labels.items()
        if name != "data"
    )
