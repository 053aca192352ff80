"""How much the step size matters on mini-batches (the paper's open question 4): four decades of
η, against steps that need none.

Plain Hebb and EigenGame mu with η constant and with the authors' schedule η/(1 + ⌊ℓ/10⌋); ours
scale-free, and with no step longer than η.
"""

import numpy as np

from .lockstep import follow_together
from .record import Record, Series
from .sampled import PowerLaw, Rows

HEBB, MU = {"exchange": "vectors", "deflation": "hotelling"}, {"method": "eigengame-mu"}
TUNED = {
    "Hebb, constant": HEBB,
    "Hebb, harmonic": HEBB | {"step_schedule": "harmonic"},
    "EigenGame mu, constant": MU,
    "EigenGame mu, harmonic": MU | {"step_schedule": "harmonic"},
    "vectors, adaptive, η at most": {"exchange": "vectors", "step_schedule": "adaptive"},
    "Ritz exchange, η at most": {},
}
OURS = {"vectors, scale-free": {"exchange": "vectors"}, "Ritz exchange": {}}
ETAS = 10.0 ** np.arange(0, 4.5, 0.5)  # in units of 1/λ_0
BY_DECADES = (
    "Hebb, harmonic",
    "vectors, adaptive, η at most",
    "Ritz exchange, η at most",
)  # every other one: the paper's Hebb costs most by far
BATCH = 1000
SWEPT = 2  # seeds that every η is tried with
WIDE = 1.5  # times a method's least error: what still counts as good


def run(world, seeds, quick, data=()):
    """The ``Record`` of the experiment; with pictures in ``data`` on them too. Collective."""
    d, count, batch, lengths = (
        (60, 4, 100, {"k^-0.5": 20, "data": 10})
        if quick
        else (1000, 30, BATCH, {"k^-0.5": 600, "data": 1200})
    )
    series = []
    for rows in [PowerLaw(d, count), *([Rows(data, count)] if data else [])]:
        made = all_series(rows.name, quick)
        for seed in range(seeds):
            follow(rows, seed, made if seed < SWEPT else best_of(made), batch, lengths[rows.name])
        series += made
    settings = {
        "d": d,
        "components": count,
        "seeds": seeds,
        "batch": batch,
        "rounds": lengths,
        "data": [str(name) for name in data],
    }
    return Record("step-size", settings, series, table(series, settings), "data", against="η·λ₀")


def all_series(name, quick):
    """A series for every method and η."""
    etas = {
        method: ETAS[::4] if quick else ETAS[::2] if method in BY_DECADES else ETAS
        for method in TUNED
    }
    return [
        Series({"data": name, "method": method, "η·λ₀": float(eta)}, 10)
        for method in TUNED
        for eta in etas[method]
    ] + [Series({"data": name, "method": method, "η·λ₀": "none"}, 10) for method in OURS]


def follow(rows, seed, some, batch, rounds):
    """Add the trajectories of a seed to some of the series."""
    problem, draw = rows.problem(seed)
    ways = {number: _options(each, problem.values[0]) for number, each in enumerate(some)}
    for number, found in follow_together(
        problem, draw(batch), batch, rounds, 10, ways=ways, seed=seed
    ).items():
        some[number].trajectories.append(found)


def best_of(series):
    """Of every method the series with the least error over the seeds that all η were tried with."""
    found = {}
    for each in series:
        found.setdefault(each.labels["method"], []).append(each)
    return [min(some, key=swept) for some in found.values()]


def swept(series):
    """Mean error over the seeds that all η were tried with."""
    return series.ended("mean")[:SWEPT].mean()


def _options(series, largest):
    eta = series.labels["η·λ₀"]
    return (
        OURS[series.labels["method"]]
        if eta == "none"
        else TUNED[series.labels["method"]] | {"step_size": repr(float(eta / largest))}
    )


def table(series, settings):
    """Lines of markdown: of every method its best η, the error with it, and how wide a range of
    η is good.
    """
    tried = min(SWEPT, settings["seeds"])
    lines = [
        (
            f"K = {settings['components']}, batches of {settings['batch']} rows, T = 1. k^-0.5: d ="
            f" {settings['d']}, rank K, {settings['rounds']['k^-0.5']} rounds; data:"
            f" {', '.join(settings['data']) or 'none'}, {settings['rounds']['data']} rounds. Every"
            f" η with {tried} seeds, the best of them with {settings['seeds']}. The paper's error"
            " at the end, mean over seeds [least, most]. Range: largest over smallest η whose"
            f" error is within {WIDE:g} times the method's least."
        ),
        "",
        "| data | method | best η·λ₀ | error | range of η |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(each.labels["data"] for each in series):
        here = [each for each in series if each.labels["data"] == name]
        for best in best_of(here):
            method, eta, ended = best.labels["method"], best.labels["η·λ₀"], best.ended("mean")
            good = [
                each.labels["η·λ₀"]
                for each in here
                if each.labels["method"] == method and swept(each) <= WIDE * swept(best)
            ]
            wide = (
                "needs none"
                if good == ["none"]
                else f"{max(good) / min(good):.3g} ({min(good):.3g} to {max(good):.3g})"
            )
            lines.append(
                f"| {name} | {method} | {eta if isinstance(eta, str) else format(eta, '.3g')} |"
                f" {ended.mean():.3f} [{ended.min():.3f}, {ended.max():.3f}] | {wide} |"
            )
    return lines
