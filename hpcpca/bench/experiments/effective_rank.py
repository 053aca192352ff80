"""Effective rank of the gradients of dense layers, by layer and epoch, as rank-dAD finds it."""

import numpy as np

from ..training.launch import trained
from .record import Record, Series, middle

WORKERS, SEEDS = 4, 3
SCHEME = "rank-dAD, to a hundredth"
TASKS = ("perceptron", "convolutional")


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    workers, tasks = (2, TASKS[:1]) if quick else (WORKERS, TASKS)
    size = {"epochs": 2, "steps": 4} if quick else {}
    seeds, series = min(seeds, SEEDS), []
    for task in tasks:
        cases = [{"task": task, "scheme": SCHEME, "seed": seed, **size} for seed in range(seeds)]
        runs = trained(cases, workers)
        layers = [*runs[0]["ranks"]]
        ranks = [np.transpose([one["ranks"][name] for name in layers]) for one in runs]
        found = {
            "effective rank": np.array(ranks),  # (seeds, E, layers)
            "accuracy": np.array([one["measure"][-1] for one in runs]),
            "times fewer bytes": np.array([one["whole"] / one["sent"] for one in runs]),
        }
        series.append(Series({"network": task}, measures=found, of=layers))
    settings = {"workers": workers, "seeds": seeds, "rank": 64, "threshold": 0.01}
    record = Record("effective-rank", settings, series, _table(series, settings), "network")
    record.lines, record.rounds = "effective rank", "epoch"
    return record


def _table(series, settings):
    lines = [
        f"Singular values above {settings['threshold']:g} times the first, at most"
        f" {settings['rank']}, of a worker's gradient: mean over the steps of an epoch and over"
        f" {settings['workers']} workers; median [least, most] over {settings['seeds']} seeds.",
        "",
        "| network | layer | first epoch | last epoch |",
        "|---|---|---|---|",
    ]
    for each in series:
        for name, values in zip(each.of, np.moveaxis(each.measures["effective rank"], 2, 0)):
            ends = [middle(values[:, place], "{:.1f}") for place in (0, -1)]
            lines.append(f"| {each.labels['network']} | {name} | {' | '.join(ends)} |")
    for each in series:
        accuracy, fewer = (each.measures[name] for name in ("accuracy", "times fewer bytes"))
        lines += [
            "",
            f"{each.labels['network']}: accuracy {accuracy.mean():.2f}, {fewer.mean():.3g} times"
            " fewer bytes",
        ]
    return lines
