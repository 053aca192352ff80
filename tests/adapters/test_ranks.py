"""An adapter is the same, bit for bit, on any number of ranks."""

import importlib.util

import numpy as np
import pytest
from reference_network import MODULES, batches_of, loss_in_jax, weights_of

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]


def trained(comm, way, dtype):
    """(Panel, ranks, bytes exchanged) of a training on ``comm``."""
    from hpcpca.adapters.training import Discovery, Growth, ParallelDeflation, Schedule

    given = (loss_in_jax, weights_of(6, dtype), MODULES)
    if way == "discovered":
        growth = Growth(budget=90, rank_max=3, warm_up=3, every=2)
        trainer = Discovery(*given, growth, comm=comm, rate=0.03)
    else:
        schedule = Schedule(2, advance=way == "advance")
        trainer = ParallelDeflation(*given, 5, comm=comm, schedule=schedule, rate=0.03)
    for batch in batches_of(6, 14, dtype):
        trainer.step(*batch)
    found = trainer.panel.copy(), list(trainer.ranks), trainer.counters.bytes_exchanged
    trainer.close()
    return found


@pytest.mark.parametrize(
    "way, dtype",
    (("staggered", np.float32), ("advance", np.float64), ("discovered", np.float32)),
)
def test_any_number_of_ranks(comm, alone, findings, way, dtype):
    import jax

    with jax.enable_x64(dtype is np.float64):
        panel, ranks, sent = trained(comm, way, dtype)
        one, ranks_of_one, _ = trained(alone, way, dtype)
    findings.that((panel == one).all() and ranks == ranks_of_one, "another adapter")
    if way != "discovered":
        pairs = 14 * 5 if way == "advance" else sum(14 - 2 * k for k in range(5))
        width = one.shape[1] * one.itemsize
        findings.that(sent == (comm.size - 1) * pairs * width, f"{sent} bytes")
    else:
        findings.that(sum(ranks) > 3, f"ranks {ranks}")


def test_ranks_that_were_given_something_else(comm, findings):
    """They say so, on all ranks, before they wait for each other."""
    from hpcpca.adapters.training import Discovery, Growth, ParallelDeflation
    from hpcpca.errors import UsageError

    is_last = comm.rank == comm.size - 1

    def refused(words, rank=2, seed=6, modules=MODULES, **more):
        dtype = more.pop("dtype", np.float32)
        made = Discovery if isinstance(rank, Growth) else ParallelDeflation
        try:
            trainer = made(loss_in_jax, weights_of(seed, dtype), modules, rank, comm=comm, **more)
            trainer.close()
        except UsageError as error:
            found = str(error)
        else:
            found = "nothing"
        findings.that(words in found, found)

    missing = ("one", "nine") if is_last else MODULES
    refused("module nine has no weights", modules=missing)
    if comm.size == 1:
        return
    other = f"rank {comm.size - 1} on node "
    for what, given in (
        ("checksum of weights", {"seed": 7 if is_last else 6}),
        ("checksum of weights", {"dtype": np.float16 if is_last else np.float32}),
        ("modules", {"modules": MODULES[::-1] if is_last else MODULES}),
        ("rank", {"rank": 3 if is_last else 2}),
        ("rate", {"rate": 1e-2 if is_last else 1e-3}),
        ("growth", {"rank": Growth(90, by=2 if is_last else 1)}),
    ):
        refused(f"was given something else: {what} is", **given)
        refused(other, **given)


def test_an_error_of_one_rank_is_not_held_up(comm):
    """A trainer that is left by it does not wait for the others."""
    from hpcpca.adapters.training import ParallelDeflation

    weights = weights_of(6, np.float32)
    trainer = ParallelDeflation(loss_in_jax, weights, MODULES, 2, comm=comm)
    if comm.rank == 0:
        with pytest.raises(ZeroDivisionError):
            with trainer:
                raise ZeroDivisionError
    comm.Barrier()
