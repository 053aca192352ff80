"""Rank discovery: how often the ranks of planted modules are found, and how near the loss at a
budget comes to the least.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...partition import Grid
from ...regression.base import Metric
from ...regression.modules.discovery import Discovery, State
from ...regression.modules.growth import RULES, Worked, chosen
from ...regression.modules.module import Homes, Kept, Module, home_of
from ...regression.modules.settings import ModulesSettings
from ...regression.sums import Side, Sums
from .record import Record, Series, middle

RANKS = (1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4)
SIDES, ROWS, MOST = (32, 96), 2048, 8  # d and q are between these
SNRS, BUDGETS, ROUNDS = (8, 2, 1.3), (25, 50), 150
SHARE = 0.1  # of the rows kept back, where that is asked for
NEEDS = ("cross", "kept")
# of pruning: shares of the applications before it begins and after it has ended
FIRST, LAST = 0.1, 0.3
FLOOR = 1e-12  # of what is rounding
OTHERS = ("uniform", "pruned", "joint")


@dataclass(frozen=True)
class Planted:
    """Modules whose ``ranks`` (N) are known. Targets are X·W and white noise."""

    ranks: np.ndarray
    rows: list  # (X, Y) of each
    seed: int

    @cached_property
    def solved(self):
        """(List of ``Module``, {number: ``Home``}) from all rows."""
        return self._solved(0)

    @cached_property
    def solved_without(self):
        """The same from those rows that are not kept back; they are kept."""
        return self._solved(SHARE)

    def _solved(self, share):
        modules, homes = [], {}
        for number, (x, y) in enumerate(self.rows):
            count = len(x) - round(share * len(x))
            sums, kept = sums_of(x[:count], y[:count]), None
            if share:
                kept = Kept(x[count:] - sums.x.mean, y[count:] - sums.y.mean)
            facts, homes[number] = home_of(sums, Metric(), MOST, NEEDS, kept)
            modules.append(Module(facts, homes[number].held))
        return modules, homes


def least(modules, budget):
    """Return the least loss with so many pairs: every module's first, and then the largest of
    all.
    """
    first, later, total = 0.0, [], 0.0
    for module in modules:
        at = module.facts
        held = module.held if at.rows == at.targets else module.held.T @ module.held
        values = at.unit * np.linalg.eigvalsh(held)[::-1][: at.limit]
        first, total = first + values[0], total + at.unit * at.total
        later.append(values[1:])
    rest = np.sort(np.concatenate(later))[::-1][: budget - len(modules)]
    return (total - first - rest.sum()) / 2


def planted(ranks, rows, snr, seed):
    """Return ``Planted`` modules: of each the last θ is ``snr`` times the largest that noise gives,
    and the first twice that.
    """
    rng = np.random.default_rng([seed, round(10 * snr)])
    ranks, made = rng.permutation(ranks), []
    for rank in ranks:
        d, q = rng.integers(SIDES[0], SIDES[1] + 1, 2)
        strengths = snr * (np.sqrt(d) + np.sqrt(q)) * np.linspace(1, 2, rank)[::-1]
        x = rng.standard_normal((rows, d))
        # orthonormal scores of the inputs, so that these are the θ
        left, right = (np.linalg.qr(rng.standard_normal((side, rank)))[0] for side in (d, q))
        scores = np.linalg.qr(x - x.mean(axis=0))[0] @ left
        y = (scores * strengths) @ right.T + rng.standard_normal((rows, q))
        made.append((x, 2 ** rng.uniform(-1, 1) * y))
    return Planted(ranks, made, seed)


def sums_of(x, y):
    """Return the ``Sums`` of rows in memory."""
    n, means = len(x), (x.mean(axis=0), y.mean(axis=0))
    x, y = x - means[0], y - means[1]
    divisor = n - 1
    sides = [Side(0, (part**2).sum(axis=0) / divisor, mean) for part, mean in zip((x, y), means)]
    return Sums(x.T @ x / divisor, x.T @ y / divisor, None, *sides, n, divisor, 2.0**-50)


@dataclass
class Ended:
    """Ranks (N) that a way ended with, its loss over the least, less 1, and applications of S that
    it took.
    """

    ranks: np.ndarray
    excess: float
    applications: int


class Bench:
    """The ways to spend a budget on a ``Planted`` case."""

    def __init__(self, world, case, budget, rounds):
        self.world, self.case, self.budget, self.rounds = world, case, budget, rounds

    def grown(self, rule, most=None):
        """Rank discovery by a rule: ``rounds``, or ``most`` applications."""
        with_kept = "kept" in RULES[rule].needs
        solved = self.case.solved_without if with_kept else self.case.solved
        discovery = self._discovery(solved, rule)
        return self._followed(discovery, discovery.begin(), most, lambda state, spent: state)

    def uniform(self, most):
        """As many pairs for all; those left over for the first modules."""
        count = len(self.case.rows)
        ranks = self.budget // count + (np.arange(count) < self.budget % count)
        limits = [each.facts.limit for each in self.case.solved[0]]
        discovery = self._discovery(self.case.solved, "gain")
        state = self._fixed(discovery, np.minimum(ranks, limits))
        return self._followed(discovery, state, most, lambda state, spent: state)

    def pruned(self, most):
        """From all that modules may have down to the budget by AdaLoRA's cubic schedule; those that
        take the least off the loss go.
        """
        discovery = self._discovery(self.case.solved, "gain")
        state = self._fixed(discovery, discovery.limits)
        all_pairs = int(state.ranks.sum())

        def cut(state, spent):
            left = np.clip(1 - (spent / most - FIRST) / (1 - FIRST - LAST), 0, 1)
            wanted = self.budget + round((all_pairs - self.budget) * left**3)
            return self._without(discovery, state, wanted)

        return self._followed(discovery, state, most, cut)

    def joint(self, most):
        """IncreLoRA's: all pairs of a module are improved together, and importance says who gets
        another, which begins then.
        """
        modules, homes = self.case.solved
        rule, config = RULES["importance"](), self._config("importance")
        discovery = self._discovery(self.case.solved, "importance")
        rows = [discovery.start(i, 0) for i in range(len(modules))]
        averages, spent, round = [np.zeros(2) for _ in modules], 0, 0
        while spent < most:
            spent, round = spent + sum(map(len, rows)), round + 1
            rows = [np.linalg.qr(m.apply(each).T)[0].T for m, each in zip(modules, rows)]
            scores = []
            for i, each in enumerate(rows):
                worked = Worked(len(each), each, each, each, np.eye(len(each)), averages[i])
                rule.observe(modules[i], homes[i], worked)
                scores.append(averages[i].prod() * (len(each) < modules[i].facts.limit))
            if round >= config.warm_up and (round - config.warm_up) % config.grow_every == 0:
                for i in chosen(scores, self.budget - sum(map(len, rows)), 1):
                    rows[i] = np.vstack([rows[i], discovery.start(i, len(rows[i]))])
        taken = [float((m.apply(each) * each).sum()) for m, each in zip(modules, rows)]
        return self._ended(modules, np.array([len(each) for each in rows]), taken, spent)

    def _ended(self, modules, ranks, taken, applications):
        left = [m.facts.unit * (m.facts.total - one) for m, one in zip(modules, taken)]
        excess = float(sum(left)) / 2 / least(modules, self.budget) - 1
        return Ended(ranks, max(excess, FLOOR), applications)

    def _config(self, rule):
        given = {"budget": self.budget, "rank_max": MOST, "grow": rule, "seed": self.case.seed}
        return ModulesSettings(output="-", **given).check()

    def _discovery(self, solved, rule):
        exchange = Exchange(self.world, Grid(self.world.size, 1), Counters())
        homes = Homes(np.ones(len(solved[0])), self.world.size)
        here = {i: solved[1][i] for i in homes.span(self.world.rank)}
        return Discovery(solved[0], here, homes, exchange, self._config(rule))

    @staticmethod
    def _fixed(discovery, ranks):
        """The first state of modules with so many pairs, which get no more."""
        discovery.limits = ranks
        vectors = [
            np.vstack([discovery.start(i, k) for k in range(r)]) for i, r in enumerate(ranks)
        ]
        nothing = [np.zeros(each.shape) for each in vectors]
        return discovery.take_up(State(0, ranks.copy(), vectors, nothing, [], []), nothing)

    @staticmethod
    def _without(discovery, state, wanted):
        """The state less its weakest pairs, so that ``wanted`` are left; each module keeps one."""
        ranks = state.ranks.copy()

        def taken(i):
            """By the last pair of module i off twice the loss."""
            k, unit = ranks[i], discovery.modules[i].facts.unit
            parts = (each[i][:k] for each in (state.vectors, state.fits, discovery.sources))
            own = Worked(k - 1, *parts, state.grams[i][:k, :k])
            return own.gain * unit if k > 1 else np.inf

        while ranks.sum() > wanted:
            ranks[min(range(len(ranks)), key=taken)] -= 1
        if (ranks == state.ranks).all():
            return state
        cut = {
            name: [each[:r] for each, r in zip(getattr(state, name), ranks)]
            for name in ("vectors", "fits")
        }
        sources = {i: each[: ranks[i]] for i, each in discovery.sources.items()}
        discovery.limits = ranks
        return discovery.take_up(replace(state, ranks=ranks, **cut), sources)

    def _followed(self, discovery, state, most, between):
        """What a discovery ends with; ``between(state, spent)`` rounds changes the state."""
        counters = discovery.exchange.counters
        while (state.round < self.rounds) if most is None else (counters.applications < most):
            state = between(discovery.step(state), counters.applications)
        discovery.exchange.free()
        return self._ended(discovery.modules, state.ranks, state.taken, counters.applications)


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    ranks, rows, rounds = (RANKS[3:9], 300, 40) if quick else (RANKS, ROWS, ROUNDS)
    snrs, budgets = (SNRS[:1], (11,)) if quick else (SNRS, BUDGETS)
    series = {}
    for snr in snrs:
        for seed in range(seeds):
            case = planted(ranks, rows, snr, seed)
            for budget in budgets:
                for way, ended in _all_ways(Bench(world, case, budget, rounds)).items():
                    labels = {"way": way, "snr": snr, "budget": budget}
                    one = series.setdefault(tuple(labels.values()), Series(labels))
                    right = int((ended.ranks == case.ranks).sum())
                    for name, value in (("right", right), ("excess", ended.excess)):
                        one.measures.setdefault(name, []).append(value)
    for each in series.values():
        each.measures = {name: np.array(values) for name, values in each.measures.items()}
    settings = {"modules": len(ranks), "rows": rows, "seeds": seeds, "rounds": rounds}
    table = _table(series, settings, snrs, budgets)
    record = Record("rank-discovery", settings, list(series.values()), table, "snr", "budget")
    record.shown = ("excess",)
    return record


def _all_ways(bench):
    """{way: what it ends with}; the others have as many applications as growth by gain took."""
    found = {rule: bench.grown(rule) for rule in ("gain", "edge", "held-out")}
    most = found["gain"].applications
    found["importance"] = bench.grown("importance", most)
    return found | {way: getattr(bench, way)(most) for way in OTHERS}


def _table(series, settings, snrs, budgets):
    places = [(snr, budget) for snr in snrs for budget in budgets]
    head = " | ".join(f"snr {snr:g}, B = {budget}" for snr, budget in places)
    lines = [
        f"{settings['modules']} modules of {settings['rows']} rows, planted ranks 1 to 4, the last"
        f" θ snr times the edge of noise; {settings['seeds']} seeds, {settings['rounds']} rounds of"
        " growth by gain, T = 1. Seeds in which all ranks are right:",
        "",
        f"| rule | {head} |",
        "|---" * (len(places) + 1) + "|",
    ]
    for rule in RULES:
        cells = [_all_right(series[(rule, *place)], settings["modules"]) for place in places]
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    lines += [
        "",
        "Loss over the least at the budget, less 1: median [least, most], in %. All have as many"
        " applications of S. uniform: as many pairs for all. pruned: from 8 pairs down to the"
        " budget. joint: pairs of a module improved together, grown by importance.",
        "",
        f"| way | {head} |",
        "|---" * (len(places) + 1) + "|",
    ]
    for way in ("gain", "importance", *OTHERS):
        found = [100 * series[(way, *place)].measures["excess"] for place in places]
        cells = [middle(each, "{:.2f}") for each in found]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def _all_right(series, count):
    return str(int((series.measures["right"] == count).sum()))
