"""Workers from one to 32, each on a rank of its own, beside one rank that is all of them:
seconds and bytes of a round.
"""

import os
import tempfile

import h5py
import numpy as np

from .commands import fitted, measured
from .problems import problem
from .record import Record, Series, middle

WORKERS, STEPS = (1, 2, 4, 8, 16, 32), 5
PLACES = {"one each": lambda workers: workers, "1": lambda workers: 1}


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    d, workers, rounds = (100, (1, 2), 5) if quick else (1000, WORKERS, 20)
    series = [
        Series({"data": "k^-0.5", "ranks": ranks, "workers": count})
        for ranks in PLACES
        for count in workers
    ]
    with tempfile.TemporaryDirectory() as folder:
        data, out = os.path.join(folder, "sigma.h5"), os.path.join(folder, "out.h5")
        for seed in range(seeds):
            case = problem(np.arange(1.0, d + 1) ** -0.5, d, max(workers), seed)
            with h5py.File(data, "w") as file:
                file["sigma"] = (case.sigma + case.sigma.T) / 2
            for each in series:
                count = each.labels["workers"]
                wall, _ = fitted(
                    PLACES[each.labels["ranks"]](count),
                    [
                        data,
                        "--covariance",
                        "-k",
                        str(count),
                        "--exchange",
                        "vectors",
                        "--local-steps",
                        str(STEPS),
                        "--max-rounds",
                        str(rounds),
                        "--tol",
                        "1e-12",
                        "--seed",
                        str(seed),
                    ],
                    out,
                )
                error, _, history = measured(out, case.vectors[:count])
                found = {
                    "error": error,
                    "seconds a round": np.median(np.diff(history["seconds"])),
                    "bytes a round": np.median(np.diff(history["bytes_exchanged"])),
                    "seconds in all": wall,
                }
                for name, value in found.items():
                    each.measures[name] = np.append(each.measures.get(name, []), value)
    settings = {
        "d": d,
        "seeds": seeds,
        "rounds": rounds,
        "T": STEPS,
        "cores": len(os.sched_getaffinity(0)),
    }
    return Record(
        "scaling",
        settings,
        series,
        _table(series, settings),
        "data",
        against="workers",
        shown=("seconds a round", "bytes a round", "error"),
    )


def _table(series, settings):
    lines = [
        (
            f"Σ of d = {settings['d']}, λ = k^-0.5, held once; vectors exchanged, power steps, T ="
            f" {settings['T']}, staggered, {settings['rounds']} rounds; ranks of one thread on"
            f" {settings['cores']} core(s); {settings['seeds']} seeds, median [least, most]. A"
            " round is the median one."
        ),
        "",
        (
            "| ranks | workers | milliseconds a round | kB exchanged a round | seconds in all |"
            " error at the end |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for each in series:
        found = each.measures
        lines.append(
            f"| {each.labels['ranks']} | {each.labels['workers']} |"
            f" {middle(1e3 * found['seconds a round'])} |"
            f" {np.median(found['bytes a round']) / 1e3:.0f} | {middle(found['seconds in all'])} |"
            f" {middle(found['error'])} |"
        )
    return lines
