"""Training of a task on all workers, with a compressor between their gradients."""

from functools import partial
from time import perf_counter

import jax
import numpy as np

from ...compression import (
    DAD,
    SGD,
    AllReduce,
    ParallelDeflation,
    PowerSGD,
    RandomBlock,
    RandomK,
    RankDAD,
    SignNorm,
    TopK,
)
from ...errors import DataError
from .tasks import task_of

WARM_UP = 0.05  # of all steps, in which the rate rises; then it falls to zero
MOMENTUM = 0.9

THRESHOLD = "rank-dAD, to a hundredth"
SCHEMES = {
    "SGD": AllReduce,
    "PowerSGD, rank 1": partial(PowerSGD, rank=1),
    "PowerSGD, rank 2": PowerSGD,
    "PowerSGD, rank 4": partial(PowerSGD, rank=4),
    "parallel deflation, rank 2": ParallelDeflation,
    "rank-dAD, rank 10": RankDAD,
    "top K": TopK,
    "sign + norm": SignNorm,
    "random K": RandomK,
    "random block": RandomBlock,
}
ABLATIONS = {
    "no feedback": partial(PowerSGD, feedback=None),
    "local feedback": partial(PowerSGD, feedback="local"),
    "no warm start": partial(PowerSGD, warm_start=False),
    "2 steps": partial(PowerSGD, steps=2),
    "CholeskyQR2": partial(PowerSGD, orthonormalise="cholesky-qr2"),
    "columns only scaled": partial(PowerSGD, orthonormalise=None),
}
OTHERS = {
    "dAD": DAD,
    "PowerSGD, rank 2, from step 2": partial(PowerSGD, start=2),
    THRESHOLD: partial(RankDAD, rank=64, threshold=1e-2),
}
ALL = SCHEMES | ABLATIONS | OTHERS


def order_of(seed, epoch, count):
    """The order of ``count`` examples in an epoch: (count)."""
    return np.random.default_rng([seed, 2, epoch]).permutation(count)


def rate_of(step, steps, most):
    """The learning rate: up to ``most``, and down to zero."""
    rise = max(1, round(WARM_UP * steps))
    return most * min((step + 1) / rise, (steps - step) / max(1, steps - rise))


def train(comm, *, task, scheme, seed, epochs=None, steps=None, nesterov=None):
    """Train a task by name, and return what came of it. Collective.

    ``epochs``: instead of the task's; ``steps``: of an epoch at most. ``nesterov``: as of ``SGD``.

    After each epoch, NaN from where it diverges: the task's "measure", "bytes" that a worker has
    sent so far, and "ranks" {layer: effective rank, the mean over the epoch} if the scheme has
    them. By step: bytes "sent", "gathered" of them, and "whole" of all gradients; "messages",
    "seconds", and "parts" {name: seconds}.
    """
    task, differentiated = task_of(task)
    epochs = epochs or task.epochs
    batch = task.batch * comm.size
    in_epoch = min(len(task.examples) // batch, steps or len(task.examples))
    compressor = ALL[scheme](comm)
    rate = partial(rate_of, steps=epochs * in_epoch, most=task.rate)
    sgd = SGD(task.network.start(seed), compressor, rate, MOMENTUM, nesterov=nesterov)
    derive = differentiated.gradients
    if isinstance(compressor, DAD):
        derive = differentiated.statistics
    found, sent = np.full(epochs, np.nan), np.full(epochs, np.nan)
    ranks, derived, spent = {}, 0.0, 0.0
    jax.block_until_ready(derive(sgd.parameters, *task.examples.take(np.arange(task.batch))))
    for epoch in range(epochs):
        order = order_of(seed, epoch, len(task.examples))
        begun = perf_counter()
        try:
            for step in range(in_epoch):
                first = step * batch + comm.rank * task.batch
                given = task.examples.take(order[first : first + task.batch])
                before = perf_counter()
                gradients = jax.block_until_ready(derive(sgd.parameters, *given))
                derived += perf_counter() - before
                sgd.step(gradients)
                for name, each in getattr(compressor, "effective_rank", {}).items():
                    ranks.setdefault(name, np.zeros(epochs))[epoch] += each.mean() / in_epoch
        except DataError:  # not finite, and that on all workers
            break
        spent += perf_counter() - begun
        found[epoch] = task.judge(comm, differentiated, sgd.parameters)
        sent[epoch] = compressor.tally.bytes
    tally, count = compressor.tally, max(1, compressor.tally.steps)
    parts = {"gradients": derived} | tally.seconds()
    compressor.close()
    return {
        "measure": found.tolist(),
        "bytes": sent.tolist(),
        "sent": tally.bytes / count,
        "gathered": tally.gathered / count,
        "whole": tally.whole / count,
        "ranks": {name: each.tolist() for name, each in ranks.items()},
        "messages": tally.messages / count,
        "seconds": spent / count,
        "parts": {name: seconds / count for name, seconds in parts.items()},
    }
