"""Adapters of networks: trained pair by pair and together, and taken out of networks that were
fine-tuned whole; how much quicker several ranks are.
"""

import numpy as np

from ..training.launch import trained
from .record import Record, Series, middle

RANK, MANY = 3, 64  # pairs of all modules, in what is trained; and in what is timed too
WAYS = (
    "joint LoRA",
    "sequential",
    "IncreLoRA",
    "AdaLoRA",
    "parallel, at once",
    "parallel, staggered",
    "parallel, advance",
    "parallel, discovered",
    "parallel, extended",
)
FEWER = ("parallel, at once", "parallel, advance", "parallel, extended")  # variants, with FEW seeds
FEW = 3
OF_RANKS = ("parallel, discovered", "IncreLoRA", "AdaLoRA")  # which find them
EXTRACTED = ("plain SVD", "regression", "layer after layer", "layer after layer, discovered")
PAIRS = (3, 5, 8, 16)  # of what is extracted
TIMED = {RANK: (1, 2), MANY: (1, 2, 4)}  # pairs: ranks
FORECAST = (4, 8)  # ranks
STEPS = {RANK: 100, MANY: 20}  # batches that are timed
WRONG = "wrong, %"
ABOUT = (
    "**Trained**: a perceptron 784–512–512–10 that knows classes 0 to 4 of Fashion-MNIST learns 5"
    f" to 9 by pairs beside its three layers; budget: {RANK} pairs for each. extended: two pairs"
    " first, and one more behind them later."
)
QUICK = {"steps": 4, "epochs": 1}
OF_QUICK = ("joint LoRA", "parallel, staggered", "parallel, discovered")


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    ways, pairs = (OF_QUICK, PAIRS[:1]) if quick else (WAYS, PAIRS)
    adapted, extracted = _adapted(ways, seeds, quick), _extracted(pairs, seeds, quick)
    timed = _timed({RANK: TIMED[RANK]} if quick else TIMED, quick)
    series = [
        Series({"setting": "trained", "way": way, "pairs": r + 1}, measures={WRONG: 100 - each})
        for way, runs in adapted.items()
        for r, each in enumerate(prefixes(runs, RANK).T)
    ]
    series += [
        Series({"setting": "extracted", "way": way, "pairs": r}, measures={WRONG: 100 - each})
        for way in EXTRACTED
        for r, each in zip(pairs, np.array([one[way] for one in extracted]).T)
    ]
    table = [
        *of_training(ABOUT, adapted, RANK),
        *_of_extraction(extracted, pairs),
        *_of_time(timed),
    ]
    settings = {"seeds": seeds, "rank": RANK, "ways": list(WAYS)}
    record = Record("adapters", settings, series, table, "setting", "pairs")
    record.shown = (WRONG,)
    return record


def _adapted(ways, seeds, quick):
    """{way: what came of each seed}."""
    size, found = QUICK if quick else {}, {way: [] for way in ways}
    for seed in range(seeds):
        here = [way for way in ways if seed < FEW or way not in FEWER]
        cases = [{"way": way, "seed": seed, **size} for way in here]
        for way, one in zip(here, trained(cases, 1, about="adapters")):
            found[way].append(one)
    return found


def _extracted(pairs, seeds, quick):
    """What came of each seed."""
    size = {**QUICK, "rows": 1000} if quick else {}
    cases = [{"seed": seed, "ranks": pairs, **size} for seed in range(seeds)]
    return trained(cases, 1, about="extraction")


def _timed(places, quick):
    """{(pairs, way, ranks): what a run of so many batches took}, the second of two."""
    found = {}
    for pairs, sizes in places.items():
        size = {"rank": pairs, "steps": 2 if quick else STEPS[pairs], "epochs": 1, "before": 0}
        for ranks in sizes:
            ways = ("joint LoRA", "parallel, at once") if ranks == 1 else ("parallel, at once",)
            cases = [{"way": way, "seed": 0, **size} for way in ways]
            runs = trained([case for case in cases for _ in range(2)], ranks, about="adapters")
            for way, one in zip(ways, runs[1::2]):
                found[pairs, way, ranks] = one
    return found


def prefixes(runs, rank):
    """Accuracies (seeds, rank) of the first 1, 2, … pairs of all modules, or all there are."""
    every = [one["accuracy"] for one in runs]
    return np.array([[each[min(r, len(each) - 1)] for r in range(rank)] for each in every])


def _mean(values):
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def of_training(about, adapted, rank):
    """What was learnt: lines."""
    lines = [
        f"{about} Accuracy in %: mean [least, most] over seeds. Work: gradients of a worker on a"
        " batch.",
        "",
        "| way | seeds | first pair | first two | all | parameters | work | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, runs in adapted.items():
        first = prefixes(runs, rank)
        ended = [one["accuracy"][-1] for one in runs]
        work, seconds, size = (
            np.array([one[name] for one in runs], dtype=float)
            for name in ("applications", "seconds", "parameters")
        )
        lines.append(
            f"| {way} | {len(runs)} | {_mean(first[:, 0])} | {_mean(first[:, 1])} |"
            f" {_mean(ended)} | {size.mean():.0f} | {work.mean():.0f} |"
            f" {middle(seconds, '{:.0f}')} |"
        )
    lines += ["", "Ranks that were found, module after module, a seed each:", ""]
    for way in (way for way in OF_RANKS if way in adapted):
        ranks = ["–".join(map(str, one["ranks"].values())) for one in adapted[way]]
        lines.append(f"* {way}: {', '.join(ranks)}")
    return [*lines, ""]


def _of_extraction(extracted, pairs):
    """What the adapters are worth: lines."""
    frozen, tuned = (_mean([one[name] for one in extracted]) for name in ("frozen", "tuned"))
    lines = [
        "**Extracted**: the perceptron fine-tuned whole on all ten classes, and adapters taken out"
        f" of that. Accuracy in %, mean [least, most] over {len(extracted)} seed(s); frozen"
        f" {frozen}, tuned {tuned}. discovered: within as many parameters.",
        "",
        f"| way | {' | '.join(f'rank {r}' for r in pairs)} |",
        "|---" * (len(pairs) + 1) + "|",
    ]
    for way in EXTRACTED:
        cells = [_mean(each) for each in np.array([one[way] for one in extracted]).T]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, ""]


def _of_time(timed):
    """Milliseconds of a batch: lines."""
    lines = [
        "**Time** of a batch of 64, a core for each rank; all workers at once. Exchange: the share"
        " of it in messages, waiting for others included. Computed: from the parts on one rank, and"
        " the exchange on two.",
        "",
        "| pairs | way | ranks | ms a batch | times one rank | times joint | exchange, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for (pairs, way, ranks), one in timed.items():
        place = (pairs, way, ranks)
        lines.append(_time_row(place, _milliseconds(one), _share(one), timed))
    for pairs in dict.fromkeys(pairs for pairs, *_ in timed):
        for ranks in FORECAST:
            place = (pairs, "parallel, at once", f"{ranks}, computed")
            lines.append(_time_row(place, *_forecast(timed, pairs, ranks), timed))
    return [*lines, ""]


def _time_row(place, spent, share, timed):
    """A row: of (pairs, way, ranks), the milliseconds of a batch, and the share of messages."""
    pairs, way, ranks = place
    joint, one = (
        _milliseconds(timed[pairs, name, 1]) for name in ("joint LoRA", "parallel, at once")
    )
    alone = f"{one / spent:.2f}" if way != "joint LoRA" else "–"
    return (
        f"| {pairs} | {way} | {ranks} | {spent:.2f} | {alone} | {joint / spent:.2f} |"
        f" {100 * share:.1f} |"
    )


def _milliseconds(one):
    return 1e3 * one["seconds"] / (one["batches"] - 1)


def _share(one):
    return one["parts"].get("exchange", 0.0) / one["seconds"]


def _forecast(timed, pairs, ranks):
    """(Milliseconds of a batch, share of the exchange) on so many ranks."""
    one, two = (timed[pairs, "parallel, at once", known] for known in (1, 2))
    batches = one["batches"] - 1
    gradient = 1e3 * one["parts"]["apply"] / batches / pairs
    rest = _milliseconds(one) - gradient * pairs
    messages = 1e3 * two["parts"]["exchange"] / (two["batches"] - 1)
    spent = -(-pairs // ranks) * gradient + rest + messages
    return spent, messages / spent
