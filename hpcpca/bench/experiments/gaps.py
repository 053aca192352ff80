"""What a small gap costs: rounds until components before, in and after a pair of nearly equal
eigenvalues are right, by its relative gap.
"""

import numpy as np

from .problems import problem
from .record import Record, Series, middle
from .trajectory import follow, rounds_to

GAPS, LEVEL = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5), 1e-2
METHODS = {
    "vectors, T = 5": {"exchange": "vectors", "local_steps": 5},
    "Ritz exchange": {"tol": 1e-14},
}


def spectrum(d, pair, gap):
    """0.9^k, but components ``pair`` and pair + 1 are apart by the relative gap."""
    values = 0.9 ** np.arange(1.0, d + 1)
    values[pair + 1] = values[pair] * (1 - gap)
    return values


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    d, count, pair, rounds = (60, 6, 2, 40) if quick else (1000, 12, 5, 400)
    series = [Series({"gap": gap, "method": method}) for gap in GAPS for method in METHODS]
    for seed in range(seeds):
        for each in series:
            case = problem(spectrum(d, pair, each.labels["gap"]), d, count, seed)
            each.trajectories.append(follow(world, case, rounds, **METHODS[each.labels["method"]]))
    for each in series:
        each.measures["plane"] = np.array(
            [trajectory.plane(pair) for trajectory in each.trajectories]
        )
    settings = {"d": d, "components": count, "seeds": seeds, "pair": pair, "rounds": rounds}
    return Record("gaps", settings, series, _table(series, settings), "method")


def _table(series, settings):
    pair, rounds = settings["pair"], settings["rounds"]
    lines = [
        (
            f"λ = 0.9^k, d = {settings['d']}, K = {settings['components']}, {settings['seeds']}"
            f" seeds, {rounds} rounds; components {pair} and {pair + 1} are apart by the relative"
            f" gap. Rounds until a component stays within {LEVEL:g} of its eigenvector: median"
            " [least, most]; – never. The last column is how far the plane of the pair is from the"
            " true one at the end, whatever the vectors in it."
        ),
        "",
        (
            f"| relative gap | method | component {pair - 1} | {pair} | {pair + 1} | {pair + 2} |"
            f" {settings['components'] - 1} | error of the plane |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in series:
        chosen = (pair - 1, pair, pair + 1, pair + 2, settings["components"] - 1)
        cells = [middle(_reached(each, k), "{:.0f}") for k in chosen]
        lines.append(
            f"| {each.labels['gap']:g} | {each.labels['method']} | {' | '.join(cells)} |"
            f" {middle(each.measures['plane'])} |"
        )
    return lines


def _reached(series, k):
    return np.array(
        [rounds_to(trajectory.errors[:, k], LEVEL) for trajectory in series.trajectories]
    )
