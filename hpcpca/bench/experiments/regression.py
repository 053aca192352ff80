"""Rounds until pairs, and until their loss, are right: parallel rank-one deflation by schedule
and solver, joint refit, and sequential deflation.
"""

import numpy as np

from .pairs import follow_pairs, regression
from .record import Record, Series, middle
from .trajectory import rounds_to

SHAPE, COUNT, TAIL = (120, 90), 12, 0.5  # the strengths after the last pair, over it
STRENGTHS = {
    "θ from 10 to 1, geometric": lambda count: np.geomspace(10, 1, count),
    "θ = k^-½": lambda count: np.arange(1.0, count + 1) ** -0.5,
}
LETTER = {"exchange": "vectors", "deflation": "pairs"}
SCHEDULES = {"staggered": {}, "advance": {"advance": True}, "at once": {"stagger": False}}
WAYS = {
    (f"pairs, {schedule}", f"power, T = {steps}"): {**LETTER, "local_steps": steps, **how}
    for steps in (1, 5)
    for schedule, how in SCHEDULES.items()
}
WAYS |= {
    ("pairs, staggered", "lanczos, T = 4"): {**LETTER, "local_steps": 4, "top1": "lanczos"},
    ("pairs by projection, staggered", "power, T = 5"): {
        "exchange": "vectors",
        "deflation": "projection",
        "local_steps": 5,
    },
    ("pairs, staggered", "gradient, T = 5"): {**LETTER, "local_steps": 5, "top1": "gradient"},
    ("joint refit", "–"): {"tol": 1e-14},
}
SEQUENTIAL = ("sequential", "power, T = 1")
ROUNDS, LEVELS = 300, (1e-2, 1e-6)


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    shape, count, rounds = ((24, 18), 5, 30) if quick else (SHAPE, COUNT, ROUNDS)
    series = []
    for name, strengths in list(STRENGTHS.items())[: 1 if quick else None]:
        made = [
            Series({"data": name, "exchange": way, "solver": solver})
            for way, solver in (*WAYS, SEQUENTIAL)
        ]
        for seed in range(seeds):
            case = regression(with_tail(strengths(count), min(shape)), shape, count, seed)
            for each in made:
                way = each.labels["exchange"], each.labels["solver"]
                each.trajectories.append(_follow(world, case, way, rounds))
        series += made
    settings = {"d": shape[0], "q": shape[1], "pairs": count, "seeds": seeds, "rounds": rounds}
    return Record("regression", settings, series, _table(series, settings), "data")


def with_tail(strengths, size):
    """The strengths (R), and after them as many smaller ones as make ``size`` of all."""
    rest = size - len(strengths)
    return np.append(strengths, strengths[-1] * TAIL * np.linspace(1, 0.1, rest))


def _follow(world, case, way, rounds):
    if way == SEQUENTIAL:
        # one worker a round: as much work as the others do in ``rounds``
        total = rounds * len(case.start)
        options = {"method": "sequential-deflation", "deflation": "pairs", "budget": total}
        return follow_pairs(world, case, total, **options)
    return follow_pairs(world, case, rounds, **WAYS[way])


def _table(series, settings):
    lines = [
        f"d = {settings['d']}, q = {settings['q']}, R = {settings['pairs']}, {settings['seeds']}"
        " seeds. Rounds until every pair stays within G_k = ‖X̃(a_k b_kᵀ − a_k* b_k*ᵀ)‖/θ_k, and"
        " until the loss stays within that of the least, over what the pairs take off: median"
        " [least, most]; – never. A round of sequential deflation is one worker's; a round of the"
        " others is one of all, at the same time.",
        "",
        "| strengths | exchange | solver | pairs to 1e-2 | to 1e-6 | loss to 1e-2 | to 1e-6 |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in series:
        cells = [
            middle(
                np.array([rounds_to(getattr(one, what), level) for one in each.trajectories]),
                "{:.0f}",
            )
            for what in ("largest", "loss")
            for level in LEVELS
        ]
        lines.append(f"| {' | '.join([*map(str, each.labels.values()), *cells])} |")
    return lines
