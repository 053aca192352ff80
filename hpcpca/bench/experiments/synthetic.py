"""The paper's synthetic data (section 5): parallel deflation against EigenGame and sequential
deflation, on spectra of rank K and of full rank.

Beside them what the Ritz exchange gives in as many rounds. ``AUTHORS``: the largest error of a
component with the authors' code, medians of ten seeds.
"""

import numpy as np

from .problems import problem
from .record import Record, Series, table
from .trajectory import follow

D, K = 1000, 30
SPECTRA = {
    "k^-0.5": lambda k: k**-0.5,
    "1.1^-k": lambda k: 1.1**-k,
    "1/k, full rank": lambda k: 1 / k,
}
ROUNDS = {1: 330, 3: 200, 5: 100}
METHODS = {
    "parallel deflation": {"exchange": "vectors"},
    "EigenGame-alpha": {"method": "eigengame-alpha"},
    "EigenGame-mu": {"method": "eigengame-mu"},
}
SEQUENTIAL, RITZ = "sequential deflation", "Ritz exchange"
AUTHORS = {
    ("k^-0.5", "parallel deflation"): {1: 0.043, 3: 4.0e-4, 5: 7.1e-3},
    ("k^-0.5", "EigenGame-alpha"): {1: 0.18, 5: 9.1e-3},
    ("k^-0.5", "EigenGame-mu"): {1: 0.026, 5: 1.1e-2},
    ("1.1^-k", "parallel deflation"): {1: 4.5e-8, 3: 4.7e-8, 5: 4.7e-8},
    ("1.1^-k", "EigenGame-alpha"): {1: 1e-6, 5: 4.7e-8},
    ("1.1^-k", "EigenGame-mu"): {1: 4.5e-8, 5: 4.8e-8},
}
FLOOR = 1e-6  # of the authors' metric: below it both are right
ABOUT = (
    "Start vectors, eigenvectors by seed; power steps, staggered. Sequential deflation takes as"
    " many applications of Σ as the others with T = 1, one worker at a time."
)
QUICK = {"d": 120, "count": 8, "rounds": {1: 60, 5: 20}, "spectra": ("1/k, full rank",)}


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    d, count, rounds, spectra = QUICK.values() if quick else (D, K, ROUNDS, tuple(SPECTRA))
    series = []
    for name in spectra:
        made = [
            Series({"data": name, "method": method, "T": steps})
            for method in METHODS
            for steps in rounds
        ]
        made += [
            Series({"data": name, "method": SEQUENTIAL, "T": 1}, count),
            Series({"data": name, "method": RITZ, "T": 1}),
        ]
        values = SPECTRA[name](np.arange(1.0, (d if "full" in name else count) + 1))
        for seed in range(seeds):
            case = problem(values, d, count, seed)
            for each in made:
                each.trajectories.append(_follow(world, case, each, rounds, count))
        series += made
    settings = {
        "d": d,
        "components": count,
        "seeds": seeds,
        "rounds": {str(steps): most for steps, most in rounds.items()},
    }
    lines = table(series, count, f"d = {d}, K = {count}, {seeds} seeds. {ABOUT}") + (
        [] if quick else ["", *against_the_authors(series)]
    )
    return Record("synthetic", settings, series, lines, "data")


def _follow(world, case, series, rounds, count):
    method, steps = series.labels["method"], series.labels["T"]
    if method == SEQUENTIAL:
        return follow(
            world, case, rounds[1] * count, every=count, method="sequential-deflation", tol=1e-8
        )
    if method == RITZ:
        return follow(world, case, rounds[1], tol=1e-14)
    return follow(world, case, rounds[steps], local_steps=steps, **METHODS[method])


def against_the_authors(series):
    """Lines of markdown: medians of the largest error beside those of the authors' code, and
    whether ours is at most twice theirs.
    """
    lines = [
        (
            "| data | method | T | largest error, median | authors' code | at most twice, or both"
            " below 1e-6 |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for each in series:
        name, method, steps = each.labels.values()
        theirs = AUTHORS.get((name, method), {}).get(steps)
        if theirs is not None:
            ours = float(np.median(each.ended("largest")))
            lines.append(
                f"| {name} | {method} | {steps} | {ours:.2g} | {theirs:.2g} |"
                f" {'yes' if ours <= max(2 * theirs, FLOOR) else 'NO'} |"
            )
    return lines
