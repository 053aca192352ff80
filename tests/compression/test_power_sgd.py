"""PowerSGD against PyTorch's hook, plain numpy and the SVD, on any number of workers."""

import h5py
import numpy as np
import pytest
import torch_hook
from launch import HERE
from reference import best, matrix_of, mean_of, power_sgd, shared_out

from hpcpca.compression import PowerSGD

pytestmark = pytest.mark.mpi

GOLDEN = HERE / "golden" / "power_sgd.h5"
TYPES = {np.float32: 2e-5, np.float64: 1e-12}


@pytest.fixture(params=TYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def test_as_pytorchs_hook(comm, findings):
    """The means after one and after ten compressed steps, as torch_hook.py has recorded them."""
    with h5py.File(GOLDEN) as file:
        golden = file[str(comm.size)]
        start = {f"factors/{name}": q[...] for name, q in golden["start"].items()}
        compressor = PowerSGD(comm, torch_hook.RANK, start=torch_hook.WHOLE)
        compressor.restore({"step": 0} | start)
        for step in range(1, torch_hook.STEPS + 1):
            means = compressor.aggregate(torch_hook.gradients(comm.rank, step))
            for name in means if step in torch_hook.KEPT else ():
                expected = golden[f"{step}/{name}"][...]
                away = np.linalg.norm(means[name] - expected) / np.linalg.norm(expected)
                findings.that(away < 1e-5, f"{name} after {step} steps is {away:.1e} off")


@pytest.mark.once
@pytest.mark.parametrize("feedback", ["aggregated", "local"])
@pytest.mark.parametrize("orthonormalise", ["gram-schmidt", "cholesky-qr2"])
@pytest.mark.parametrize("seed", range(2))
def test_as_plain_numpy(comm, findings, dtype, feedback, orthonormalise, seed):
    """Every step depends on the mean alone, whatever each worker owes."""
    shape, r = (23, 17), 3
    rng = np.random.default_rng([seed, 7])
    steps = [matrix_of(lambda k: 0.8**k, shape, int(rng.integers(1000))) for _ in range(8)]
    q = rng.standard_normal((r, shape[1]))
    compressor = PowerSGD(comm, r, orthonormalise=orthonormalise, feedback=feedback)
    compressor.restore({"step": 0, "factors/w": q.astype(dtype)})
    for number, expected in enumerate(power_sgd(steps, q.T, r)):
        given = shared_out(steps[number], comm, dtype, seed + number)
        mean = compressor.aggregate({"w": given})["w"]
        away = np.abs(mean - expected).max() / np.abs(expected).max()
        findings.that(away < 10 * TYPES[dtype], f"step {number} is {away:.1e} off")


@pytest.mark.once
def test_many_steps_give_the_best_of_a_rank(comm, findings, dtype):
    """Subspace iteration on one matrix, with a cluster just above the gap."""
    sizes = np.array([1, 0.9, 0.899, 0.898, *0.3 * 0.9 ** np.arange(20)])
    matrix = matrix_of(lambda k: sizes[k], (40, 24), 3)
    compressor = PowerSGD(comm, 4, steps=30, feedback=None)
    found = compressor.aggregate({"w": shared_out(matrix, comm, dtype)})["w"]
    findings.that(np.linalg.norm(found - best(matrix, 4)) < 1e-6, "not the best of rank 4")


@pytest.mark.once
@pytest.mark.parametrize("rank", [5, 12, 40])
def test_whole_rank_is_exact(comm, findings, dtype, rank):
    """A rank above min(n, m) is cut to it; 12 vectors are too many for the narrow kernels."""
    for shape in ((5, 30), (12, 5), (30, 12), (12, 40)):
        matrix = matrix_of(lambda k: 0.5**k, shape, 1)
        compressor = PowerSGD(comm, rank, least=0)
        mean = compressor.aggregate({"w": shared_out(matrix, comm, dtype)})["w"]
        is_whole = rank >= min(shape)
        away = np.abs(mean - (matrix if is_whole else best(matrix, rank))).max()
        findings.that((away < TYPES[dtype]) == is_whole, f"{shape}: {away:.1e}")


@pytest.mark.once
@pytest.mark.parametrize("scale", [1, 1e30, 1e-30])
def test_gradients_of_any_size(comm, findings, scale):
    """Zeros, rank one and full rank in float32: nothing overflows, and zeros stay in nobody's
    way.
    """
    outer = np.outer(np.arange(1.0, 21), np.arange(1.0, 16))
    full = matrix_of(lambda k: 0.8**k, (20, 15), 2)
    compressor = PowerSGD(comm, 2)
    for number, matrix in enumerate([0 * full, outer, 0 * full, full, full]):
        owed = mean_of(comm, compressor.state().get("owed/w", 0 * full))
        mean = compressor.aggregate({"w": (scale * matrix).astype("f4")})["w"]
        left = mean_of(comm, compressor.state()["owed/w"])
        away = np.abs(scale * matrix + owed - mean - left).max() / scale
        findings.that(away < 1e-4, f"step {number}: {away:.1e} is lost")
        if number == 1:  # rank one, twice the rank that is sent
            away = np.abs(mean / scale - outer).max()
            findings.that(away < 1e-3, f"rank one is {away:.1e} off")


def test_three_messages_a_step_and_precision(comm, findings):
    """Whatever the number of tensors; and the bytes are those of P, Q and what is sent whole."""
    rng = np.random.default_rng(comm.rank)
    for types in (["f4"], ["f4", "f8"]):
        tensors = {
            f"{kind}{i}": rng.standard_normal(shape).astype(kind)
            for kind in types
            for i, shape in enumerate([(30, 20), (9, 4, 3, 3), (40,), (3, 3), ()])
        }
        compressor = PowerSGD(comm, 2)
        for _ in range(3):
            compressor.aggregate(tensors)
        tally = compressor.tally
        findings.that(tally.messages == 3 * 3 * len(types), "messages")
        numbers = 2 * (30 + 20) + 2 * (9 + 36) + 40 + 9 + 1
        size = sum(np.dtype(kind).itemsize for kind in types)
        findings.that(tally.bytes == 3 * numbers * size, "bytes")
        findings.that(tally.whole == 3 * (600 + 324 + 40 + 9 + 1) * size, "bytes of whole tensors")
        findings.that(set(tally.seconds()) >= {"products", "messages", "feedback"}, "seconds")


@pytest.mark.once
def test_cold_starts_are_the_same_on_all(comm, findings):
    """Random starts depend on seed, tensor and step, never on the worker."""
    matrix = matrix_of(lambda k: 0.9**k, (20, 15), 2)
    cold = PowerSGD(comm, 2, warm_start=False, feedback=None)
    means = [cold.aggregate({"w": shared_out(matrix, comm, "f8")})["w"] for _ in range(3)]
    findings.that(not np.allclose(means[0], means[1]), "two steps start alike")
    again = PowerSGD(comm, 2, warm_start=False, feedback=None)
    mean = again.aggregate({"w": shared_out(matrix, comm, "f8")})["w"]
    findings.that(np.array_equal(mean, means[0]), "the same seed gives another mean")
    findings.that(comm.bcast(mean).tobytes() == mean.tobytes(), "means differ between workers")
