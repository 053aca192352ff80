"""dAD and rank-dAD against gradients that are formed."""

import numpy as np
import pytest
from reference import best, mean_of

from hpcpca.compression import DAD, RankDAD

pytestmark = [pytest.mark.mpi, pytest.mark.once]

TYPES = {np.float32: 1e-5, np.float64: 1e-12}
LAYERS = {
    "small batch": (6, 20, 30),
    "one": (1, 5, 4),
    "large batch": (80, 7, 9),
    "few inputs": (60, 20, 3),
}


@pytest.fixture(params=TYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def statistics(comm, dtype):
    """{name: (derivatives, inputs)} of a worker, with singular values that fall by 0.6."""
    rng, found = np.random.default_rng(comm.rank), {}
    for name, (batch, n, m) in LAYERS.items():
        falling = 0.6 ** np.arange(max(n, m))
        d, a = rng.standard_normal((batch, n)), rng.standard_normal((batch, m))
        found[name] = (d * falling[:n]).astype(dtype), (a * falling[:m]).astype(dtype)
    return found


def gradient(both):
    """DᵀA/N in float64."""
    return both[0].astype(float).T @ both[1] / len(both[0])


def test_dad_is_exact(comm, findings, dtype):
    """With a bias beside the layers, averaged whole; and batches that differ between workers."""
    given = statistics(comm, dtype)
    given["uneven"] = tuple(array[: 5 + comm.rank] for array in given["large batch"])
    bias = np.arange(3.0) + comm.rank
    compressor = DAD(comm)
    means = compressor.aggregate({**given, "bias": bias})
    for name, both in given.items():
        away = np.abs(means[name] - mean_of(comm, gradient(both))).max()
        findings.that(away < TYPES[dtype], f"{name} is {away:.1e} off")
    findings.that(np.allclose(means["bias"], mean_of(comm, bias)), "bias")
    numbers = sum(d.size + a.size for d, a in given.values())
    counts = 8 * 2 * len(given)
    sent = numbers * np.dtype(dtype).itemsize + counts + bias.nbytes
    findings.that(compressor.tally.bytes == sent, f"{compressor.tally.bytes} bytes, not {sent}")


def test_rank_dad_sends_the_leading_pairs(comm, findings, dtype):
    """Small batches by QR, large ones by iteration: each worker's best of the rank."""
    given = statistics(comm, dtype)
    compressor = RankDAD(comm, 3, threshold=0, tolerance=1e-12)
    means = compressor.aggregate(given)
    for name, both in given.items():
        away = np.abs(means[name] - mean_of(comm, best(gradient(both), 3))).max()
        findings.that(away < max(1e-6, TYPES[dtype]), f"{name} is {away:.1e} off")
        expected = [min(3, len(both[0]))] * comm.size
        findings.that(compressor.effective_rank[name].tolist() == expected, f"rank of {name}")


def test_rank_dad_is_exact_at_full_rank(comm, findings, dtype):
    given = statistics(comm, dtype)
    means = RankDAD(comm, 80, threshold=0).aggregate(given)
    for name, both in given.items():
        away = np.abs(means[name] - mean_of(comm, gradient(both))).max()
        findings.that(away < TYPES[dtype], f"{name} is {away:.1e} off")


def test_effective_rank_differs(comm, findings):
    """By layer and worker: those above the threshold; none of zeros."""
    rng = np.random.default_rng(5)
    d, a = (np.linalg.qr(rng.standard_normal((n, 6)))[0].T for n in (20, 30))
    sizes = np.where(np.arange(6) <= comm.rank, 1.0, 1e-4)
    compressor = RankDAD(comm, 5)
    compressor.aggregate({"w": (sizes[:, None] * d, a), "none": (0 * d, a)})
    expected = [min(5, worker + 1) for worker in range(comm.size)]
    findings.that(compressor.effective_rank["w"].tolist() == expected, "rank")
    findings.that(not compressor.effective_rank["none"].any(), "rank of zeros")
