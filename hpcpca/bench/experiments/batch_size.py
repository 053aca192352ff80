"""How large mini-batches should be (the paper's open question 3): error against batch size, for
the same number of rows seen by every worker.
"""

import numpy as np

from .lockstep import follow_together
from .record import Record, Series
from .sampled import PowerLaw, Rows

SIZES, SEEN = (100, 300, 1000, 3000, 10_000), (30_000, 60_000, 120_000)
ETA = {
    "k^-0.5": 100.0,
    "data": 1000.0,
    # of EigenGame mu with the authors' schedule, in units of 1/λ_0: best for batches of 1000 rows
    # (step-size)
}
WAYS = {
    "Ritz exchange": {},
    "vectors, scale-free": {"exchange": "vectors", "stagger": False},
    "EigenGame mu, harmonic": {
        "method": "eigengame-mu",
        "step_schedule": "harmonic",
        "stagger": False,
    },
}


def run(world, seeds, quick, data=()):
    """The ``Record`` of the experiment; with pictures in ``data`` on them too. Collective."""
    d, count, sizes, seen = (60, 4, (50, 200), (200, 600)) if quick else (1000, 30, SIZES, SEEN)
    series = []
    for rows in [PowerLaw(d, count), *([Rows(data, count)] if data else [])]:
        made = {
            (size, name): [
                Series({"data": rows.name, "method": name, "rows seen": most, "batch": size})
                for most in seen
            ]
            for size in sizes
            for name in WAYS
        }
        for seed in range(seeds):
            problem, draw = rows.problem(seed)
            for size in sizes:
                ways = {
                    name: (
                        options
                        | (
                            {"step_size": repr(float(ETA[rows.name] / problem.values[0]))}
                            if "mu" in name
                            else {}
                        )
                    )
                    for name, options in WAYS.items()
                }
                found = follow_together(
                    problem, draw(size), size, max(seen) // size, 1, ways=ways, seed=seed
                )
                for name, trajectory in found.items():
                    for each in made[size, name]:
                        errors = trajectory.mean[each.labels["rows seen"] // size - 1]
                        each.measures["error"] = np.append(each.measures.get("error", []), errors)
        series += sum(made.values(), [])
    settings = {"d": d, "components": count, "seeds": seeds, "data": [str(name) for name in data]}
    return Record("batch-size", settings, series, _table(series, settings), "data", against="batch")


def _table(series, settings):
    sizes = sorted({each.labels["batch"] for each in series})
    lines = [
        (
            f"K = {settings['components']}, {settings['seeds']} seeds, T = 1, all start at once;"
            f" k^-0.5: d = {settings['d']}, rank K; data: {', '.join(settings['data']) or 'none'}."
            " The paper's error, mean over seeds, when every worker has seen so many rows in"
            " batches of so many."
        ),
        "",
        f"| data | method | rows seen | {' | '.join(f'batches of {size}' for size in sizes)} |",
        "|---" * (len(sizes) + 3) + "|",
    ]
    rows = {}
    for each in series:
        rows.setdefault(tuple(each.labels[name] for name in ("data", "method", "rows seen")), {})[
            each.labels["batch"]
        ] = each.measures["error"].mean()
    return lines + [
        f"| {' | '.join(map(str, key))} | {' | '.join(f'{found[size]:.3f}' for size in sizes)} |"
        for key, found in rows.items()
    ]
