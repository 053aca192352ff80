"""Which top1 solver, deflation and start (the paper's open question 1): every combination on λ =
1/k of full rank.
"""

import itertools

import numpy as np

from .problems import problem
from .record import Record, Series, table
from .trajectory import follow

SOLVERS = ("power", "hebb", "momentum", "chebyshev", "lanczos")
DEFLATIONS = ("hotelling", "projection")
STARTS = {"staggered": {}, "all at once": {"stagger": False}, "advance": {"advance": True}}
ABOUT = "λ = 1/k, full rank; T = {} local steps."


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    d, count, steps, rounds = (120, 8, 4, 15) if quick else (1000, 30, 4, 100)
    series = [
        Series({"solver": solver, "deflation": deflation, "start": start})
        for solver, deflation, start in itertools.product(SOLVERS, DEFLATIONS, STARTS)
    ]
    for seed in range(seeds):
        case = problem(1 / np.arange(1.0, d + 1), d, count, seed)
        for each in series:
            options = {
                "top1": each.labels["solver"],
                "deflation": each.labels["deflation"],
                **STARTS[each.labels["start"]],
            }
            each.trajectories.append(
                follow(world, case, rounds, exchange="vectors", local_steps=steps, **options)
            )
    settings = {"d": d, "components": count, "seeds": seeds, "T": steps}
    return Record(
        "top1",
        settings,
        series,
        table(series, count, f"d = {d}, K = {count}, {seeds} seeds. {ABOUT.format(steps)}"),
        "start",
    )
