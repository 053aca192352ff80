"""The paper's comparison on pictures, here Fashion-MNIST: parallel deflation, EigenGame, and the
Ritz exchange, on Σ of data in files.
"""

from .problems import Problem, covariance_of, unit_vectors
from .record import Record, Series, table
from .synthetic import METHODS, RITZ
from .trajectory import follow

ROUNDS = {1: 500, 3: 300, 5: 200}
ABOUT = "Σ of {} in float64, start vectors by seed; power steps, staggered."


def run(world, seeds, quick, data):
    """The ``Record`` of the experiment on the HDF5 files ``data``. Collective."""
    count, rounds = (6, {1: 40, 5: 20}) if quick else (30, ROUNDS)
    sigma, values, vectors = covariance_of(data)
    series = [Series({"method": method, "T": steps}) for method in METHODS for steps in rounds] + [
        Series({"method": RITZ, "T": 1})
    ]
    for seed in range(seeds):
        case = Problem(
            sigma, values[:count], vectors[:count], unit_vectors(seed, range(count), len(sigma))
        )
        for each in series:
            method, steps = each.labels.values()
            options = (
                {"tol": 1e-14} if method == RITZ else {"local_steps": steps, **METHODS[method]}
            )
            each.trajectories.append(follow(world, case, rounds[steps], **options))
    settings = {
        "d": len(sigma),
        "components": count,
        "seeds": seeds,
        "data": [str(name) for name in data],
    }
    about = (
        f"d = {len(sigma)}, K = {count}, {seeds} seeds. {ABOUT.format(', '.join(settings['data']))}"
    )
    return Record("mnist", settings, series, table(series, count, about), "T")
