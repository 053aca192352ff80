"""Advance learning: how the targets that workers see come near their true ones, and what it saves
to begin before one's turn.
"""

import numpy as np

from .pairs import follow_pairs, regression
from .record import Record, Series, middle
from .regression import LETTER, SCHEDULES, with_tail
from .trajectory import rounds_to

# of neighbouring strengths, each nearer to 1 than those before: the slowest superior of every
# worker is the one just before it
RATIOS = (0.8, 0.86, 0.9, 0.93, 0.95)
SHAPE, ROUNDS = (120, 90), {1: 480, 2: 240, 5: 100}
QUICK = {2: 240, 5: 100}
FITTED = 1e-2, 1e-11  # of what the pairs are: the mismatches that a slope is taken from
LEVEL = 1e-6


def run(world, seeds, quick):
    """The ``Record`` of the experiment. Collective."""
    shape, most = ((30, 24), QUICK) if quick else (SHAPE, ROUNDS)
    strengths = np.cumprod([1.0, *RATIOS])
    count = len(RATIOS)
    series = [
        Series({"T": steps, "schedule": schedule}) for steps in most for schedule in SCHEDULES
    ]
    for seed in range(seeds):
        case = regression(with_tail(strengths, min(shape)), shape, count, seed)
        for each in series:
            steps, schedule = each.labels.values()
            options = {**LETTER, "local_steps": steps, **SCHEDULES[schedule]}
            each.trajectories.append(follow_pairs(world, case, most[steps], **options))
    for each in series:
        each.measures["slopes"] = np.array([slopes(one.mismatch) for one in each.trajectories])
    settings = {"d": shape[0], "q": shape[1], "pairs": count, "seeds": seeds}
    record = Record("advance", settings, series, _table(series, settings), "T")
    record.lines = "mismatch"
    return record


def slopes(mismatch):
    """By what factor each worker's mismatch (L, R) falls in a round: (R − 1), of all but the first,
    which has none.
    """
    found = []
    for one in mismatch[:, 1:].T:
        among = np.flatnonzero((one < FITTED[0]) & (one > FITTED[1]))
        # the later half: what faster superiors add has gone by then
        among = among[len(among) // 2 :]
        found.append(
            np.exp(np.polyfit(among, np.log(one[among]), 1)[0]) if len(among) > 2 else np.nan
        )
    return np.array(found)


def expected(steps):
    """(θ_{j+1}/θ_j)^{2T} of the slowest superior of each worker but the first: (R − 1)."""
    return np.maximum.accumulate(RATIOS[:-1]) ** (2 * steps)


def _table(series, settings):
    lines = [
        f"θ ratios {', '.join(map(str, RATIOS))}; d = {settings['d']}, q = {settings['q']},"
        f" {settings['seeds']} seeds, power steps. By what factor the mismatch of a worker's"
        " targets falls in a round, over (θ_{j+1}/θ_j)^{2T} of its slowest superior: medians over"
        f" seeds; and rounds until all pairs stay within G = {LEVEL:g}: median [least, most].",
        "",
        "| T | schedule | "
        + " | ".join(f"worker {k}" for k in range(1, settings["pairs"]))
        + " | rounds | over staggered |",
        "|---" * (settings["pairs"] + 3) + "|",
    ]
    staggered = {}
    for each in series:
        steps, schedule = each.labels.values()
        over = np.median(each.measures["slopes"], axis=0) / expected(steps)
        rounds = np.array([rounds_to(one.largest, LEVEL) for one in each.trajectories])
        staggered.setdefault(steps, np.median(rounds))
        cells = [f"{value:.3f}" for value in over]
        share = np.median(rounds) / staggered[steps]
        cells += [middle(rounds, "{:.0f}"), f"{share:.2f}"]
        lines.append(f"| {steps} | {schedule} | {' | '.join(cells)} |")
    return lines
