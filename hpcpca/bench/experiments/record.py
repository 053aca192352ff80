"""What an experiment leaves: series of trajectories in one HDF5 file, a markdown table, figures."""

import json
import os
from dataclasses import dataclass, field

import numpy as np

from ..._version import __version__
from ...errors import DataError, PlatformError
from ...files.formats import EXPERIMENT
from ...files.hdf5 import writing
from ...files.outputs import check_place, check_replaced, whole, write_text
from ...report.canvas import is_no_figure
from ...report.experiment import draw
from .trajectory import rounds_to


@dataclass
class Series:
    """One way of doing it, over seeds: ``labels`` say what, ``trajectories`` are one for each
    seed, with every ``every``-th round.

    ``measures`` {name: (seeds, …)} are what was measured at the end beside them. ``of``: names of
    what lines of a figure are for, if not for workers.
    """

    labels: dict
    every: int = 1
    trajectories: list = field(default_factory=list)
    measures: dict = field(default_factory=dict)
    of: list | None = None

    @property
    def rounds(self):
        """Numbers of the rounds kept: (R)."""
        return self.every * np.arange(1, self.over_seeds("mean").shape[1] + 1)

    def rounds_to(self, level):
        """Of each seed, the round from which on the paper's error stays within ``level``; NaN
        where it never does: (seeds).
        """
        return self.every * np.array([rounds_to(each.mean, level) for each in self.trajectories])

    def ended(self, what):
        """Last value of "mean", "largest", "applications" or "seconds" for each seed: (seeds)."""
        return np.array([getattr(each, what)[-1] for each in self.trajectories], dtype=float)

    def over_seeds(self, what):
        """All rounds of it: (seeds, R)."""
        return np.array([getattr(each, what) for each in self.trajectories], dtype=float)


@dataclass
class Record:
    """What an experiment found: its series, and its table as lines of markdown."""

    name: str
    settings: dict
    series: list
    table: list
    panel: str  # which of the labels tells the panels of the figure apart
    against: str | None = (
        None  # the label that the figure has on its x axis, where that is not rounds
    )
    shown: tuple = ("error",)  # measures that it has on its y axis then
    lines: str | None = None  # what the figure shows of every worker against rounds, if that
    rounds: str = "round"  # what these are called


def middle(values, form="{:.2g}"):
    """Return "median [least, most]" of numbers, over all: NaN is one that was never reached,
    later than any other, and shown as "–".
    """
    if not len(values):
        return "–"
    values = np.where(np.isnan(values), np.inf, values)
    median, least, most = (
        form.format(each) if np.isfinite(each) else "–"
        for each in (np.median(values), values.min(), values.max())
    )
    return "–" if least == "–" else f"{median} [{least}, {most}]"


def table(series, count, about):
    """Lines of markdown: a row for each series, with its labels, errors at the end, rounds to
    two levels and cost.
    """
    names = list(series[0].labels)
    lines = [
        about
        + " Median [least, most] over seeds. Error: root mean square over components of min over"
        " signs of ‖u − v‖ (the paper's).",
        "",
        (
            f"| {' | '.join(names)} | rounds | error at the end | largest of a component | rounds"
            " to 1e-2 | to 1e-4 | applications of Σ per worker | seconds |"
        ),
        "|---" * (len(names) + 7) + "|",
    ]
    for each in series:
        cells = [
            *(str(value) for value in each.labels.values()),
            str(each.rounds[-1]),
            middle(each.ended("mean")),
            middle(each.ended("largest")),
            *(middle(each.rounds_to(level), "{:.0f}") for level in (1e-2, 1e-4)),
            f"{np.median(each.ended('applications')) / count:.0f}",
            f"{np.median(each.ended('seconds')):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def save(record, folder):
    """Write NAME.h5, NAME.md and, where matplotlib is there, NAME.png into ``folder``; return
    their paths; raise DataError.
    """
    paths = places(record.name, folder)
    remedy = "make room, or name another folder with --folder"
    with whole(paths[0], remedy) as part, writing(part) as file:
        _write(record, file)
    write_text(paths[1], "\n".join(record.table) + "\n", remedy)
    try:
        draw(paths[0], paths[2])
    except PlatformError:
        return paths[:2]
    return paths


def places(name, folder):
    """Paths of what an experiment leaves: its series, its table and its figure."""
    return [os.path.join(folder, f"{name}.{end}") for end in ("h5", "md", "png")]


def check_places(names, folder, overwrite):
    """Raise DataError unless what experiments leave can be written and replaces nothing."""
    if not os.path.isdir(folder):
        raise DataError(f"--folder {folder}: no such folder; make it first")
    for name in names:
        series, table, figure = places(name, folder)
        for path in (series, table, figure):
            check_place(path, "--folder")
        check_replaced(series, "--folder", overwrite)
        check_replaced(
            table,
            "--folder",
            overwrite,
            lambda _: not os.path.exists(series),
            "table of an experiment",
        )
        check_replaced(figure, "--folder", overwrite, is_no_figure, "figure")


def _write(record, file):
    file.attrs.update(
        {
            "format": EXPERIMENT,
            "format_version": 1,
            "hpcpca_version": __version__,
            "name": record.name,
            "settings": json.dumps(record.settings),
        }
    )
    if record.lines:
        file.attrs.update({"lines": record.lines, "rounds": record.rounds})
    if record.against:
        file.attrs.update({"against": record.against, "shown": json.dumps(record.shown)})
    for number, series in enumerate(record.series):
        group = file.create_group(f"series/{number:03d}")
        group.attrs.update(
            {
                "labels": json.dumps(series.labels),
                "every": series.every,
                "panel": str(series.labels[record.panel]),
            }
        )
        if series.of:
            group.attrs["of"] = json.dumps(series.of)
        if series.trajectories:
            for what in ("errors", "applications", "seconds", *series.trajectories[0].more):
                group[what] = series.over_seeds(what)  # (seeds, R[, K])
            if record.against:
                group["error"] = series.ended("mean")
        for what, values in series.measures.items():
            group[what] = values
