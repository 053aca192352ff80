"""How many local steps between exchanges: T·L = 1200 applications of Σ per worker, error against
rounds and wall time (the paper's ablation on T).
"""

import numpy as np

from .problems import problem
from .record import Record, Series, table
from .trajectory import follow

STEPS, APPLICATIONS = (1, 5, 10, 20, 40), 1200
SPECTRA = {"k^-0.5": lambda k: k**-0.5, "1/k, full rank": lambda k: 1 / k}
ABOUT = "Parallel deflation, power steps, staggered; T·L = {} applications of Σ per worker."


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    d, count, applications, steps = (
        (120, 8, 120, (1, 5, 20)) if quick else (1000, 30, APPLICATIONS, STEPS)
    )
    series = []
    for name, values in list(SPECTRA.items())[: 1 if quick else None]:
        made = [Series({"data": name, "T": each}) for each in steps]
        for seed in range(seeds):
            case = problem(
                values(np.arange(1.0, (d if "full" in name else count) + 1)), d, count, seed
            )
            for each in made:
                each.trajectories.append(
                    follow(
                        world,
                        case,
                        applications // each.labels["T"],
                        exchange="vectors",
                        local_steps=each.labels["T"],
                    )
                )
        series += made
    settings = {"d": d, "components": count, "seeds": seeds, "applications": applications}
    return Record(
        "local-steps",
        settings,
        series,
        table(series, count, f"d = {d}, K = {count}, {seeds} seeds. {ABOUT.format(applications)}"),
        "data",
    )
