"""The same network, images, order and learning rates trained by hpcpca and JAX, and by PyTorch's
DistributedDataParallel with its own PowerSGD hook.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from ...errors import PlatformError
from ..compression import CLEAN, PYTHON, has_torch
from ..process import output_of
from .launch import trained

RANK, START = 2, 2  # PyTorch's hook sends at least two steps whole
WAYS = {"SGD": 0, "PowerSGD, rank 2": RANK}
OURS = {"SGD": "SGD", "PowerSGD, rank 2": "PowerSGD, rank 2, from step 2"}


def compare(ranks, seeds, steps=None, mpiexec=None):
    """Return the table, lines: the perceptron on Fashion-MNIST on so many ranks of one thread;
    ``steps``: of an epoch at most, and one epoch. Raise PlatformError if torch is not there.
    """
    if not has_torch():
        raise PlatformError(f"{PYTHON} has no torch; install Debian's python3-torch")
    size = {"epochs": 1, "steps": steps} if steps else {}
    lines = [
        f"perceptron on Fashion-MNIST, {ranks} ranks of one thread, {seeds} seeds; mean [least,"
        " most] of the accuracy at the end, and medians",
        "",
        "| program | scheme | accuracy | kB a step | ms a step |",
        "|---|---|---|---|---|",
    ]
    for scheme, rank in WAYS.items():
        cases = [
            {"task": "perceptron", "scheme": OURS[scheme], "seed": seed, "nesterov": False, **size}
            for seed in range(seeds)
        ]
        ours = trained(cases, ranks, mpiexec)
        theirs = [_by_torch(ranks, rank, seed, steps) for seed in range(seeds)]
        lines += [_row("hpcpca, JAX", scheme, ours), _row("PyTorch, gloo", scheme, theirs)]
    return lines


def _by_torch(workers, rank, seed, steps):
    from .tasks import task_of
    from .training import MOMENTUM, order_of, rate_of

    task, _ = task_of("perceptron")
    epochs, count = 1 if steps else task.epochs, len(task.examples)
    in_epoch = min(count // (task.batch * workers), steps or count)
    every = range(epochs * in_epoch)
    given = {
        "images": task.examples.images,
        "labels": task.examples.labels,
        "other images": task.others.images,
        "other labels": task.others.labels,
        "orders": [
            order_of(seed, e, count)[: in_epoch * task.batch * workers] for e in range(epochs)
        ],
        "rates": [rate_of(step, len(every), task.rate) for step in every],
    }
    start = task.network.start(seed)
    given |= {name: array for name, array in start.items() if array.ndim == 2}
    words = {"workers": workers, "rank": rank, "start": START, "batch": task.batch}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(os.path.join(folder, "given.npz"), **given)
        words |= {"folder": folder, "momentum": MOMENTUM}
        script = str(Path(__file__).with_name("torch_training.py"))
        return json.loads(output_of([*CLEAN, PYTHON, script, json.dumps(words)]))


def _row(program, scheme, runs):
    ended = np.array([one["measure"][-1] for one in runs])
    sent, seconds = (np.median([one[name] for one in runs]) for name in ("sent", "seconds"))
    return (
        f"| {program} | {scheme} | {ended.mean():.2f} [{ended.min():.2f}, {ended.max():.2f}] |"
        f" {sent / 1e3:.1f} | {1e3 * seconds:.2f} |"
    )
