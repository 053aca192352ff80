"""Data-parallel training with compressed gradients: what networks learn, what workers send, where
the seconds go, and below which link speed that is quicker.
"""

import numpy as np

from ..training.launch import trained
from ..training.shapes import dad_table
from .record import Record, Series, middle

WORKERS, SEEDS, MANY = 4, 3, ("SGD", "PowerSGD, rank 2")  # the latter have all seeds
SCHEMES = (
    "SGD",
    "PowerSGD, rank 1",
    "PowerSGD, rank 2",
    "PowerSGD, rank 4",
    "parallel deflation, rank 2",
    "rank-dAD, rank 10",
    "top K",
    "sign + norm",
    "random K",
    "random block",
)
ABLATIONS = (
    "no feedback",
    "local feedback",
    "no warm start",
    "2 steps",
    "CholeskyQR2",
    "columns only scaled",
)
TASKS = {
    "perceptron": (*SCHEMES, *ABLATIONS),
    "convolutional": SCHEMES,
    "attention": SCHEMES,
}
MEASURES = {
    "perceptron": "accuracy",
    "convolutional": "accuracy",
    "attention": "perplexity",
}
QUICK = {"perceptron": ("SGD", "PowerSGD, rank 2", "rank-dAD, rank 10", "no feedback")}
TIMED = {2: 40, 8: 20}  # ranks: steps
LATENCY = 50e-6  # seconds of a message, in the model of a link
PARTS = (
    "gradients",
    "products",
    "orthonormalisation",
    "selection",
    "feedback",
    "messages",
)


def run(world, seeds, quick):
    """The ``Record`` of the experiment, which starts its own ranks."""
    workers, tasks = (2, QUICK) if quick else (WORKERS, TASKS)
    size = {"epochs": 1, "steps": 6} if quick else {}
    steps = {2: 3} if quick else TIMED
    timed = {ranks: _timed(tasks, ranks, count) for ranks, count in steps.items()}
    series, found = [], {}
    for task, schemes in tasks.items():
        cases = [
            {"task": task, "scheme": scheme, "seed": seed, **size}
            for scheme in schemes
            for seed in range(seeds if scheme in MANY else min(seeds, SEEDS))
        ]
        for case, one in zip(cases, trained(cases, workers)):
            found.setdefault((task, case["scheme"]), []).append(one)
        series += [_series(task, scheme, found[task, scheme]) for scheme in schemes]
    settings = {"workers": workers, "seeds": seeds, "latency": LATENCY, "tasks": [*tasks]}
    table = [
        line
        for task in tasks
        for line in [
            *_accuracies(task, series, workers),
            *_seconds(task, timed),
            *_links(task, timed[2], found, workers),
        ]
    ]
    record = Record("compression", settings, series, [*table, *dad_table()], "network")
    record.against, record.shown = "times fewer bytes", ("error",)
    return record


def _timed(tasks, ranks, steps):
    """{(task, scheme): what a run of so many steps took}, the second of two runs each."""
    cases = [
        {"task": task, "scheme": scheme, "seed": 0, "epochs": 1, "steps": steps}
        for task, schemes in tasks.items()
        for scheme in schemes
        if scheme not in ABLATIONS
    ]
    found = trained([case for case in cases for _ in range(2)], ranks)[1::2]
    return {(case["task"], case["scheme"]): one for case, one in zip(cases, found)}


def _series(task, scheme, runs):
    """The ``Series`` of a scheme: a run a seed."""
    measured = np.array([one["measure"] for one in runs])
    fewer = runs[0]["whole"] / runs[0]["sent"]
    labels = {"network": task, "scheme": scheme, "times fewer bytes": round(fewer, 1)}
    ended = measured[:, -1]
    found = {
        MEASURES[task]: measured,
        "bytes": np.array([one["bytes"] for one in runs]),
        "error": 100 - ended if MEASURES[task] == "accuracy" else ended,
        "messages": np.array([one["messages"] for one in runs]),
    }
    return Series(labels, measures=found)


def _accuracies(task, series, workers):
    """What was learnt, and sent: lines."""
    mine = [each for each in series if each.labels["network"] == task]
    measure = MEASURES[task]
    epochs = mine[0].measures["bytes"].shape[1]
    lines = [
        f"**{task}**, {workers} workers, {epochs} epochs. At the end: mean [least, most] over"
        " seeds; – diverged. Bytes that a worker hands to MPI.",
        "",
        f"| scheme | seeds | {measure} | MB an epoch | times fewer | messages a step |",
        "|---|---|---|---|---|---|",
    ]
    for each in mine:
        ended, sent = each.measures[measure][:, -1], each.measures["bytes"][:, 0]
        sent = sent[np.isfinite(sent)]  # of those that did not diverge in the first epoch
        megabytes = f"{sent.mean() / 1e6:.3g}" if len(sent) else "–"
        lines.append(
            f"| {each.labels['scheme']} | {len(ended)} | {_mean(ended)} | {megabytes} |"
            f" {each.labels['times fewer bytes']:g} | {each.measures['messages'].mean():.3g} |"
        )
    return [*lines, ""]


def _mean(values):
    if not np.isfinite(values).all():
        return middle(values, "{:.2f}")
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def _seconds(task, timed):
    """Milliseconds of a step by part: lines."""
    lines = [f"Milliseconds a step of {task}, by part, on {' and '.join(map(str, timed))} ranks:"]
    lines += ["", f"| ranks | scheme | {' | '.join(PARTS)} | all |"]
    lines += ["|---" * (len(PARTS) + 3) + "|"]
    for ranks, found in timed.items():
        for (of, scheme), one in found.items():
            if of == task:
                cells = [f"{1e3 * one['parts'].get(part, 0):.1f}" for part in PARTS]
                cells.append(f"{1e3 * one['seconds']:.1f}")
                lines.append(f"| {ranks} | {scheme} | {' | '.join(cells)} |")
    return [*lines, ""]


def _links(task, timed, found, workers):
    """Below which link speed a scheme is quicker than Allreduce: lines."""
    lines = [
        f"Computed for {task} on {workers} workers: seconds a step = those of the parts but for"
        f" messages, measured on 2 ranks, + {1e6 * LATENCY:.0f} µs a message + traffic of a worker"
        " over the speed of its link. Traffic: 2(W−1)/W times what is summed, W−1 times what is"
        " gathered.",
        "",
        "| scheme | kB of traffic a step | quicker than SGD below, Gbit/s |",
        "|---|---|---|",
    ]
    derived = timed[task, "SGD"]["parts"]["gradients"]  # the same work for most
    base = _cost(timed[task, "SGD"], found[task, "SGD"][0], workers)
    for (of, scheme), one in timed.items():
        if of == task:
            if not scheme.startswith("rank-dAD"):  # which takes statistics
                one["parts"]["gradients"] = derived
            seconds, traffic = _cost(one, found[task, scheme][0], workers)
            speed = _speed(seconds - base[0], base[1] - traffic)
            lines.append(f"| {scheme} | {traffic / 1e3:.0f} | {speed} |")
    return [*lines, ""]


def _cost(timed, one, workers):
    """(Seconds of a step without traffic, bytes of traffic) of a worker."""
    parts = sum(seconds for part, seconds in timed["parts"].items() if part != "messages")
    summed, gathered = one["sent"] - one["gathered"], one["gathered"]
    traffic = 2 * (workers - 1) / workers * summed + (workers - 1) * gathered
    return parts + one["messages"] * LATENCY, traffic


def _speed(more_seconds, fewer_bytes):
    """Gbit/s at which ``more_seconds`` of work are worth ``fewer_bytes``."""
    if fewer_bytes <= 0:
        return "–" if more_seconds >= 0 else "none"
    if more_seconds <= 0:
        return "any"
    return f"{8e-9 * fewer_bytes / more_seconds:.3g}"
