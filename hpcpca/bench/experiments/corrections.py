"""Passes with residuals, with corrections on samples of several sizes, and as auto has it, on
spectra that are prescribed.
"""

from dataclasses import dataclass

import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...linalg.determination import Goals
from ...methods.corrections import BOTH, CORRECTIONS, RESIDUALS, Corrections
from ...methods.ritz_exchange import DONE, RitzExchange
from ...methods.warm_start import warm_start
from ...partition import Grid
from ...planning.plan import DEFAULT_BASIS, panel_width
from ...rng import stream, unit_vectors
from .record import Record, Series

LEVELS, MOST = (1e-3, 1e-4, 1e-6), 60  # tolerances; passes
KINDS = {"off": RESIDUALS, "on": CORRECTIONS, "auto": None, "both": BOTH}
SIZES = (100, 400, 1000, 4000, 20000, 100000)
PIECE = 10000  # rows drawn at a time
SPECTRA = {
    "1/k": lambda k: 1 / k,
    "k^-0.5": lambda k: k**-0.5,
    "0.97^k": lambda k: 0.97**k,
    "40 within 0.4 %": lambda k: np.where(k <= 40, 1 - 1e-4 * k, 0.5 * 0.98 ** (k - 40)),
    "clusters of 4": lambda k: 0.8 ** ((k - 1) // 4) * (1 - 1e-3 * ((k - 1) % 4)) + 1e-6,
    "0.5^k": lambda k: np.maximum(0.5**k, 1e-14),
}


@dataclass
class Diagonal:
    """Σ = diag(λ)."""

    values: np.ndarray
    exchange: Exchange
    is_double, exponent, rounding = True, 0, 2.0**-46

    @property
    def d(self):
        """Length of the vectors."""
        return len(self.values)

    def apply(self, panel, offsets):
        """Return this rank's images."""
        return self.exchange.own_rows(panel, offsets) * self.values


@dataclass
class Drawn:
    """The covariance of normal rows whose own is diag(λ)."""

    matrix: np.ndarray
    exchange: Exchange
    is_double, exponent, rounding, is_cheap = True, 0, 2.0**-46, True

    @property
    def d(self):
        """Length of the vectors."""
        return len(self.matrix)

    def apply(self, panel, offsets):
        """Return this rank's images."""
        return self.images(self.exchange.own_rows(panel, offsets), offsets)

    def images(self, own, offsets):
        """Return the images of this rank's vectors."""
        return own @ self.matrix


def sampled(values, rows, seed):
    """Return the covariance (d, d) of so many normal rows, about their mean."""
    random, root = stream(seed, rows), np.sqrt(values)
    products, sums = np.zeros((len(values),) * 2), np.zeros(len(values))
    for start in range(0, rows, PIECE):
        drawn = random.standard_normal((min(PIECE, rows - start), len(values))) * root
        products += drawn.T @ drawn
        sums += drawn.sum(axis=0)
    return (products - np.outer(sums, sums) / rows) / (rows - 1)


def passes_to(world, values, sample, count, *, kind, seed):
    """Return the passes (3) to each of ``LEVELS``, NaN beyond ``MOST``. Collective."""
    exchange = Exchange(world, Grid(world.size, 1), Counters())
    operator, panel = Diagonal(values, exchange), panel_width(count, None, len(values), True)
    goals = Goals(LEVELS[-1], count, np.inf)
    basis = DEFAULT_BASIS * panel
    method = RitzExchange(operator, exchange, panel, basis, goals=goals, seed=seed)
    drawn = Drawn(sample, exchange)
    method.corrections = Corrections(drawn, exchange, panel, kind)
    vectors = unit_vectors(seed, range(method.own.start, method.own.stop), len(values))
    state, found = method.initialize(warm_start(method, drawn, vectors)), []
    while len(found) < MOST and not (found and found[-1] <= DONE * LEVELS[-1]):
        state = method.step(state)
        if state.exhausted:
            break
        found.append(state.residuals[:count].max())
    exchange.free()
    reached = [np.flatnonzero(np.array(found) <= DONE * level) for level in LEVELS]
    return [each[0] + 1.0 if len(each) else np.nan for each in reached]


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    d, count = (120, 8) if quick else (1200, 16)
    sizes, spectra = (SIZES[1:4:2], list(SPECTRA)[:2]) if quick else (SIZES, list(SPECTRA))
    series = []
    for name in spectra:
        values = SPECTRA[name](np.arange(1.0, d + 1))
        for rows in sizes:
            made = {how: [] for how in KINDS}
            for seed in range(seeds):
                sample = sampled(values, rows, seed)
                for how, kind in KINDS.items():
                    made[how].append(passes_to(world, values, sample, count, kind=kind, seed=seed))
            for how, found in made.items():
                labels = {"data": name, "rows": rows, "directions": how}
                passes = np.array(found)
                measures = {f"passes to {level:g}": passes[:, i] for i, level in enumerate(LEVELS)}
                series.append(Series(labels, measures=measures))
    settings = {"d": d, "components": count, "seeds": seeds}
    record = Record("corrections", settings, series, _table(series, settings), "data", "rows")
    record.shown = (f"passes to {LEVELS[-1]:g}",)
    return record


def _median(passes):
    found = np.median(np.where(np.isnan(passes), np.inf, passes))
    return f"{found:.3g}" if np.isfinite(found) else "–"


def _table(series, settings):
    names = [f"passes to {level:g}" for level in LEVELS]
    lines = [
        f"d = {settings['d']}, K = {settings['components']}, {settings['seeds']} seeds: passes to"
        f" {', '.join(f'{level:g}' for level in LEVELS)}, by rows in the sample, which start"
        " vectors come from too. Medians over seeds; – where 60 passes are not enough.",
        "",
        f"| data | rows | {' | '.join(KINDS)} |",
        "|---" * (len(KINDS) + 2) + "|",
    ]
    for first in range(0, len(series), len(KINDS)):
        group = series[first : first + len(KINDS)]
        cells = [" / ".join(_median(each.measures[name]) for name in names) for each in group]
        labels = group[0].labels
        lines.append(f"| {labels['data']} | {labels['rows']} | {' | '.join(cells)} |")
    return lines
