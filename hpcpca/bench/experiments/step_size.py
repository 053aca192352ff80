"""How much the step size matters on mini-batches (the paper's open question 4): four decades of η, against steps that need none.

Plain Hebb and EigenGame mu with η constant and with the authors' schedule η/(1 + ⌊ℓ/10⌋); ours scale-free, and with no step longer than η.
"""

import numpy as np

from .lockstep import follow_together
from .record import Record, Series
from .sampled import PowerLaw, Rows

HEBB, MU = {"exchange": "vectors", "deflation": "hotelling"}, {"method": "eigengame-mu"}
TUNED = {"Hebb, constant": HEBB, "Hebb, harmonic": HEBB | {"step_schedule": "harmonic"},
         "EigenGame mu, constant": MU, "EigenGame mu, harmonic": MU | {"step_schedule": "harmonic"},
         "vectors, adaptive, η at most": {"exchange": "vectors", "step_schedule": "adaptive"}, "Ritz exchange, η at most": {}}
OURS = {"vectors, scale-free": {"exchange": "vectors"}, "Ritz exchange": {}}
ETAS = 10.0 ** np.arange(0, 4.5, 0.5)  # in units of 1/λ_0
BY_DECADES = ("Hebb, harmonic", "vectors, adaptive, η at most", "Ritz exchange, η at most")  # every other one: the paper's Hebb costs most by far
BATCH = 1000
WIDE = 1.5  # times a method's least error: what still counts as good


def run(world, seeds, quick, data=()):
    """The ``Record`` of the experiment; with pictures in ``data`` on them too. Collective."""
    d, count, batch, lengths = (60, 4, 100, {"k^-0.5": 40, "data": 40}) if quick else (1000, 30, BATCH, {"k^-0.5": 600, "data": 1200})
    etas = {name: ETAS[::4] if quick else ETAS[::2] if name in BY_DECADES else ETAS for name in TUNED}
    series = []
    for rows in [PowerLaw(d, count), *([Rows(data, count)] if data else [])]:
        made = [Series({"data": rows.name, "method": name, "η·λ₀": float(eta)}, 10) for name in TUNED for eta in etas[name]]
        made += [Series({"data": rows.name, "method": name, "η·λ₀": "none"}, 10) for name in OURS]
        for seed in range(seeds):
            problem, draw = rows.problem(seed)
            ways = {number: _options(each, problem.values[0]) for number, each in enumerate(made)}
            found = follow_together(problem, draw(batch), batch, lengths[rows.name], 10, ways, seed)
            for number, each in enumerate(made):
                each.trajectories.append(found[number])
        series += made
    settings = {"d": d, "components": count, "seeds": seeds, "batch": batch, "rounds": lengths, "data": [str(name) for name in data], "quick": quick}
    return Record("step-size", settings, series, _table(series, settings), "data")


def _options(series, largest):
    eta = series.labels["η·λ₀"]
    return OURS[series.labels["method"]] if eta == "none" else TUNED[series.labels["method"]] | {"step_size": repr(float(eta / largest))}


def _table(series, settings):
    lines = [f"K = {settings['components']}, batches of {settings['batch']} rows, {settings['seeds']} seeds, T = 1. k^-0.5: d = {settings['d']}, rank K, "
             f"{settings['rounds']['k^-0.5']} rounds; data: {', '.join(settings['data']) or 'none'}, {settings['rounds']['data']} rounds. The paper's error at the "
             f"end, mean over seeds [least, most]. Range: largest over smallest η whose error is within {WIDE:g} times the method's least.", "",
             "| data | method | best η·λ₀ | error | range of η |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(each.labels["data"] for each in series):
        for method in [*TUNED, *OURS]:
            some = [each for each in series if (each.labels["data"], each.labels["method"]) == (name, method)]
            means = np.array([each.ended("mean").mean() for each in some])
            best, good = some[int(means.argmin())], [each.labels["η·λ₀"] for each in some if each.ended("mean").mean() <= WIDE * means.min()]
            wide = "needs none" if good == ["none"] else f"{max(good) / min(good):.3g} ({min(good):.3g} to {max(good):.3g})"
            ended = best.ended("mean")
            eta = best.labels["η·λ₀"]
            lines.append(f"| {name} | {method} | {eta if isinstance(eta, str) else format(eta, '.3g')} | {ended.mean():.3f} [{ended.min():.3f}, {ended.max():.3f}] "
                         f"| {wide} |")
    return lines
