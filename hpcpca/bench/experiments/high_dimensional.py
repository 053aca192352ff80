"""Mini-batches where d×d is out of the question: random ReLU features of pictures, and made
data, in a set memory.
"""

import os
import sys
import tempfile

import h5py
import numpy as np

from ...rng import stream
from ...sources.source import open_source
from ..process import output_of
from .commands import fitted, measured
from .record import Record, Series, middle

MEMORY, ROWS = "1G", 500
FEATURES = 0xFEA7
ETAS = (10.0, 100.0, 1000.0)  # of EigenGame mu with the authors' schedule, in units of 1/λ_0
WAYS = {"Ritz exchange": None} | {f"EigenGame mu, harmonic, η·λ₀ = {eta:g}": eta for eta in ETAS}
MU = ("--method", "eigengame-mu", "--step-schedule", "harmonic", "--step-size")


def run(world, seeds, quick, data=()):
    """The ``Record`` of the experiment, which starts its own ranks; with pictures in ``data`` on
    features of them too.
    """
    d, wide, n, count, batch, rounds, ranks = (
        (500, 800, 300, 3, 40, 4, 1) if quick else (50_000, 100_000, 2500, 8, 100, 100, 2)
    )
    series = []
    with tempfile.TemporaryDirectory() as folder:
        made = {f"made, λ = 1/k (d = {wide})": _made(folder, n, wide)}
        if data:
            made[f"ReLU features (d = {d})"] = _features(folder, n, d, data)
        for name, path in made.items():
            out = os.path.join(folder, "exact.h5")
            fitted(ranks, [path, "-k", str(count), "--memory", MEMORY], out)
            with h5py.File(out) as file:
                true, largest = file["components"][...], file["explained_variance"][0]
            for method, eta in list(WAYS.items())[: 2 if quick else None]:
                each = Series({"data": name, "method": method, "d": true.shape[1]})
                series.append(each)
                options = [] if eta is None else [*MU, repr(float(eta / largest))]
                for seed in range(seeds):
                    words = [
                        path,
                        "-k",
                        str(count),
                        "--batch-rows",
                        str(batch),
                        "--max-rounds",
                        str(rounds),
                        "--tol",
                        "1e-9",
                        "--memory",
                        MEMORY,
                        "--seed",
                        str(seed),
                    ]
                    wall, memory = fitted(ranks, [*words, *options], out)
                    error, residual, _ = measured(out, true)
                    for measure, value in {
                        "error": error,
                        "residual": residual,
                        "seconds": wall,
                        "memory": memory,
                    }.items():
                        each.measures[measure] = np.append(each.measures.get(measure, []), value)
    settings = {
        "n": n,
        "components": count,
        "seeds": seeds,
        "batch": batch,
        "rounds": rounds,
        "memory": MEMORY,
        "ranks": ranks,
        "data": [str(name) for name in data],
    }
    return Record(
        "high-dimensional",
        settings,
        series,
        _table(series, settings),
        "data",
        against="d",
        shown=("error", "seconds", "memory"),
    )


def _made(folder, n, d):
    path = os.path.join(folder, "made.h5")
    output_of(
        [
            sys.executable,
            "-m",
            "hpcpca",
            "data",
            "make",
            f"{n}x{d}",
            "-o",
            path,
            "--spectrum",
            "powerlaw:1",
            "--noise",
            "1e-3",
        ]
    )
    return path


def _features(folder, n, d, data):
    """A file of max(0, x·W) for rows x of the pictures, W random."""
    source, path = open_source(data), os.path.join(folder, "features.h5")
    weights = stream(0, FEATURES).standard_normal((source.d, d), np.float32)
    with h5py.File(path, "w") as file:
        features = file.create_dataset("features", (min(n, source.n), d), np.float32)
        for number, start, stop in source.pieces(
            0, len(source.blocks), ROWS * source.d * source.dtype.itemsize
        ):
            block = source.read(number, start, stop)
            first = block.first
            rows = block.rows[: max(0, len(features) - first)].astype(np.float32)
            features[first : first + len(rows)] = np.maximum(
                rows @ weights / (255 * np.sqrt(np.float32(source.d))), 0
            )
            if first + len(rows) == len(features):
                break
    return path


def _table(series, settings):
    lines = [
        (
            f"{settings['n']} rows of float32, K = {settings['components']}, {settings['rounds']}"
            f" rounds of batches of {settings['batch']} rows, {settings['ranks']} rank(s) of one"
            f" thread, --memory {settings['memory']}; {settings['seeds']} seeds, median [least,"
            " most]. Memory is that of all processes, interpreters too. The error is against"
            " components of exact passes to 1e-6."
        ),
        "",
        "| data | method | error | largest residual | seconds | memory, GB |",
        "|---|---|---|---|---|---|",
    ]
    for each in series:
        found = each.measures
        lines.append(
            f"| {each.labels['data']} | {each.labels['method']} | {middle(found['error'])} |"
            f" {middle(found['residual'])} | {middle(found['seconds'])} |"
            f" {middle(found['memory'] / 1e9)} |"
        )
    return lines
