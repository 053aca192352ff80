"""What waiting costs: vectors exchanged in rounds against vectors in windows, with latency and
with one slow worker.
"""

import json
import os
import sys
import tempfile

import numpy as np

from ..process import launcher, output_of
from .paced import LEVEL, Timed
from .record import Record, Series, middle

SLOWER = 5
EXCHANGES = {
    "vectors": {"exchange": "vectors", "stagger": False},
    "window": {"exchange": "window"},
    "window, S = 4": {"exchange": "window", "max_staleness": 4},
}
ABOUT = (
    "λ = 0.8^k of full rank; power steps, T = 1, Hotelling's deflation, all start at once. {count}"
    " ranks on this machine, a worker each. An application of Σ is made to take {apply} ms, which"
    " are slept, and so is latency: what is compared is waiting, whatever the number of cores."
    " Latency: all publications, and every exchange of a round, are so much late. Slow: worker"
    " {middle} takes {slower} times as long for an application. Seconds from which on the residual"
    " stays within {level:g}; runs end when all are within {tol:g}, or after {rounds} rounds"
    " (window: of every worker)."
)


def scenarios(middle_worker, latencies, apply):
    """{name: what is injected}."""
    found = {
        f"latency {each} ms": [f"rank=*:apply={apply}ms", f"rank=*:{each}ms"] for each in latencies
    }
    return found | {
        f"worker {middle_worker} slow": [
            f"rank=*:apply={apply}ms",
            f"rank={middle_worker}:{SLOWER}x",
        ]
    }


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    d, count, apply, latencies, tol, rounds = (
        (40, 3, 1, (5,), 1e-4, 200) if quick else (200, 8, 20, (0, 20, 50, 100), 1e-5, 400)
    )
    series, cases = [], []
    values = (0.8 ** np.arange(d)).tolist()
    for name, inject in scenarios(count // 2, latencies, apply).items():
        for exchange, options in EXCHANGES.items():
            series.append(Series({"scenario": name, "exchange": exchange}))
            cases += [
                {
                    "values": values,
                    "d": d,
                    "rounds": rounds,
                    "inject": inject,
                    "tol": tol,
                    "seed": seed,
                    **options,
                }
                for seed in range(seeds)
            ]
    for number, found in enumerate(_followed(cases, count)):
        series[number // seeds].trajectories.append(found)
    settings = {
        "d": d,
        "components": count,
        "seeds": seeds,
        "apply_ms": apply,
        "latencies_ms": latencies,
        "slower": SLOWER,
        "tol": tol,
        "rounds": rounds,
    }
    about = ABOUT.format(
        count=count,
        apply=apply,
        middle=count // 2,
        slower=SLOWER,
        level=LEVEL,
        tol=tol,
        rounds=rounds,
    )
    return Record(
        "asynchronous",
        settings,
        series,
        table(series, count, f"d = {d}, K = {count}, {seeds} seeds. {about}"),
        "scenario",
    )


def _followed(cases, count):
    """A ``Timed`` for each case."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
            json.dump(cases, file)
        output_of(
            [
                *launcher(),
                "-n",
                str(count),
                sys.executable,
                "-m",
                "mpi4py",
                "-m",
                "hpcpca.bench.experiments.ranks",
                folder,
            ]
        )
        for number in range(len(cases)):
            with np.load(os.path.join(folder, f"{number}.npz")) as arrays:
                yield Timed(**arrays)


def table(series, count, about):
    """Lines of markdown: a row for each series; the times of windows also as what the vectors
    exchange takes over them.
    """
    half = count // 2
    lines = [
        about + " Median [least, most] over seeds.",
        "",
        (
            f"| scenario | exchange | seconds: components 0–{half - 1} | vectors / this | all |"
            " vectors / this | each component | applications of Σ per worker | seconds in all |"
            " error at the end |"
        ),
        "|---" * 10 + "|",
    ]
    for each in series:
        before = next(
            other for other in series if other.labels == each.labels | {"exchange": "vectors"}
        )
        cells = list(each.labels.values())
        for part in (slice(half), slice(None)):
            cells += [
                middle(_latest(each, part)),
                f"{np.median(_latest(before, part)) / np.median(_latest(each, part)):.2g}",
            ]
        cells += [
            " ".join(
                f"{np.median([found.reached[k] for found in each.trajectories]):.2g}"
                for k in range(count)
            ),
            f"{np.median(each.ended('applications')) / count:.0f}",
            middle(each.ended("seconds")),
            middle(each.ended("mean")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _latest(series, part):
    """Of each seed, when the last of some components was there."""
    return np.array([found.reached[part].max() for found in series.trajectories])
