"""Nothing is lost with any scheme: what goes in comes out, or is still owed."""

import numpy as np
import pytest
from reference import matrix_of, mean_of

from hpcpca.compression import (
    BestRank,
    ParallelDeflation,
    PowerSGD,
    RandomBlock,
    RandomK,
    SignNorm,
    TopK,
    UnbiasedRank,
    load,
    save,
)

pytestmark = [pytest.mark.mpi, pytest.mark.once]

SHAPE = (12, 10)
SCHEMES = {
    "power-sgd": lambda comm, **options: PowerSGD(comm, 2, **options),
    "cold": lambda comm, **options: PowerSGD(comm, 2, warm_start=False, **options),
    "two steps": lambda comm, **options: PowerSGD(comm, 2, steps=2, **options),
    "parallel deflation": lambda comm, **options: ParallelDeflation(comm, 3, least=0, **options),
    "resting": lambda comm, **options: ParallelDeflation(comm, 3, rest=0.9, least=0, **options),
    "random block": lambda comm, **options: RandomBlock(comm, 1, **options),
    "random k": lambda comm, **options: RandomK(comm, 1, **options),
    "top k": lambda comm, **options: TopK(comm, 1, **options),
    "sign and norm": SignNorm,
    "best of a rank": lambda comm, **options: BestRank(comm, 2, **options),
}
EPS = {np.float16: 5e-4, np.float32: 6e-8, np.float64: 1.1e-16}


def gradient(comm, step, dtype):
    """A worker's gradient in a step."""
    rng = np.random.default_rng([comm.rank, step])
    return (
        np.outer(np.sin(step + np.arange(12)), np.arange(10)) + rng.standard_normal(SHAPE)
    ).astype(dtype)


def follow(comm, compressor, steps, dtype):
    """Sum of what goes in and comes out over ``steps``, means over workers, and the largest entry
    of what was owed on the way.
    """
    handed_in, handed_out, largest = np.zeros(SHAPE), np.zeros(SHAPE), 0.0
    for step in steps:
        given = gradient(comm, step, dtype)
        handed_in += given
        handed_out += compressor.aggregate({"w": given})["w"]
        largest = max(largest, np.abs(compressor.state().get("owed/w", np.zeros(1))).max())
    return mean_of(comm, handed_in), handed_out, comm.allreduce(largest) + 10


@pytest.mark.parametrize("feedback", ["aggregated", "local"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_lost(comm, findings, scheme, feedback):
    """Σ mean g = Σ Δ′ + mean e after many steps, to rounding, in float32."""
    steps = 1000 if scheme == "power-sgd" and comm.size <= 2 else 100
    compressor = SCHEMES[scheme](comm, feedback=feedback)
    handed_in, handed_out, largest = follow(comm, compressor, range(steps), np.float32)
    owed = mean_of(comm, compressor.state()["owed/w"])
    away = np.abs(handed_in - handed_out - owed).max()
    findings.that(away < 4 * steps * EPS[np.float32] * largest, f"{away:.1e} is lost")
    findings.that(np.abs(handed_in - handed_out).max() > 1e-3, "nothing is owed: not compressed")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("scheme", ["power-sgd", "top k"])
def test_other_types(comm, findings, scheme, dtype):
    """Means come in the type handed in; what float16 loses of them is owed too."""
    compressor = SCHEMES[scheme](comm)
    handed_in, handed_out, largest = follow(comm, compressor, range(50), dtype)
    mean = compressor.aggregate({"w": np.zeros(SHAPE, dtype)})["w"]
    findings.that(mean.dtype == np.dtype(dtype), "type of means")
    left = mean_of(comm, compressor.state()["owed/w"])
    away = np.abs(handed_in - handed_out - mean - left).max()
    eps = EPS[max(dtype, np.float32, key=lambda kind: np.dtype(kind).itemsize)]
    findings.that(away < 200 * eps * largest, f"{away:.1e} is lost")


def test_without_feedback_it_is_lost(comm, findings):
    """And nothing is kept."""
    compressor = PowerSGD(comm, 2, feedback=None)
    handed_in, handed_out, _ = follow(comm, compressor, range(20), np.float64)
    findings.that("owed/w" not in compressor.state(), "something is kept")
    findings.that(np.abs(handed_in - handed_out).max() > 1, "nothing was lost")


def test_unbiased(comm, findings):
    """The mean of many random projections is the mean itself, and one is not."""
    matrix = matrix_of(lambda k: 0.7**k, SHAPE, 1)
    compressor = UnbiasedRank(comm, 2, least=0)
    means = [compressor.aggregate({"w": matrix})["w"] for _ in range(400)]
    findings.that(np.abs(means[0] - matrix).max() > 0.5, "one is near")
    findings.that(np.abs(np.mean(means, axis=0) - matrix).max() < 0.2, "their mean is not near")


@pytest.mark.parametrize("scheme", ["power-sgd", "parallel deflation", "top k"])
def test_goes_on_on_other_workers(comm, findings, shared_path, scheme):
    """A state of all workers goes on exactly on as many, and on fewer without losing what is
    owed; and back again on all.
    """
    path, half = str(shared_path / "state.h5"), max(1, comm.size // 2)
    first = SCHEMES[scheme](comm)
    follow(comm, first, range(30), np.float32)
    owed = mean_of(comm, first.state()["owed/w"])
    save(path, first)
    second = SCHEMES[scheme](comm)
    load(path, second)
    ahead = [follow(comm, one, range(30, 33), np.float32)[1] for one in (first, second)]
    findings.that(np.array_equal(*ahead), "another trajectory on as many workers")
    team = comm.Split(comm.rank >= half, comm.rank)
    if comm.rank < half:
        fewer = SCHEMES[scheme](team)
        load(path, fewer)
        kept = mean_of(team, fewer.state()["owed/w"])
        findings.that(np.allclose(kept, owed, rtol=0, atol=1e-5), "fewer workers owe other things")
        save(path, fewer)
        fewer.close()
    comm.Barrier()
    again = SCHEMES[scheme](comm)
    load(path, again)
    kept = mean_of(comm, again.state()["owed/w"])
    findings.that(np.allclose(kept, owed, rtol=0, atol=1e-5), "more workers owe other things")
    findings.that(again.step == 30, "step")
    for compressor in (first, second, again):
        compressor.close()
    team.Free()
