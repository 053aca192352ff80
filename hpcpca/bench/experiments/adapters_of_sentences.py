"""Adapters of a real pretrained network: a sentence encoder learns the sections of packages."""

from ..training.launch import trained
from ..training.packages import descriptions
from .adapters import WRONG, of_training, prefixes
from .record import Record, Series

RANK, EPOCHS, SEEDS = 2, 3, 3  # pairs of all modules; epochs; at most so many seeds
WAYS = (
    "joint LoRA",
    "sequential",
    "IncreLoRA",
    "AdaLoRA",
    "parallel, staggered",
    "parallel, discovered",
)
QUICK = {"most": 64, "steps": 2, "epochs": 1}


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    size, found = QUICK if quick else {"epochs": EPOCHS}, {}
    size = {"of": "sentences", "rank": RANK, **size}
    for way in WAYS[:1] if quick else WAYS:
        cases = [{"way": way, "seed": seed, **size} for seed in range(min(seeds, SEEDS))]
        found[way] = trained(cases, 1, about="adapters")
    series = [
        Series({"network": "MiniLM", "way": way, "pairs": r + 1}, measures={WRONG: 100 - each})
        for way, runs in found.items()
        for r, each in enumerate(prefixes(runs, RANK).T)
    ]
    before = next(iter(found.values()))[0]["before"]
    learnt, judged = descriptions()
    about = (
        "**Trained**: all-MiniLM-L6-v2 learns to tell the section of a Debian package, one of 16,"
        f" from its line of description, by pairs beside its 36 matrices; budget: {RANK} pairs for"
        f" each. Its head is trained first ({before:.2f} %), and frozen. {len(learnt)} texts to"
        f" learn from ({learnt.hash}), {len(judged)} to judge by ({judged.hash})."
    )
    settings = {"seeds": seeds, "rank": RANK, "epochs": EPOCHS, "ways": list(found)}
    table = of_training(about, found, RANK)
    record = Record("adapters-of-sentences", settings, series, table, "network", "pairs")
    record.shown = (WRONG,)
    return record
