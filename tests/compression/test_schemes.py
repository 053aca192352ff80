"""What each scheme sends, by its formula in plain numpy; parallel deflation by its identities."""

import numpy as np
import pytest
from reference import best, matrix_of, mean_of, shared_out

from hpcpca.compression import (
    SGD,
    AllReduce,
    BestRank,
    ParallelDeflation,
    RandomBlock,
    RandomK,
    SignNorm,
    TopK,
)

pytestmark = [pytest.mark.mpi, pytest.mark.once]

SHAPE = (12, 10)
SENT = 2 * sum(SHAPE)  # entries, of rank 2


def own(comm):
    """This worker's matrix."""
    return np.random.default_rng([comm.rank, 3]).standard_normal(SHAPE)


def aggregated(compressor, matrix):
    """The mean that a compressor gives in its first step, of what is sent in all."""
    return compressor.aggregate({"w": matrix})["w"]


def test_top_k(comm, findings):
    """The mean of everybody's largest entries; indices are counted."""
    mine = own(comm)
    largest = np.where(np.abs(mine) >= np.sort(np.abs(mine), axis=None)[-SENT], mine, 0)
    compressor = TopK(comm, 2)
    mean = aggregated(compressor, mine)
    findings.that(np.allclose(mean, mean_of(comm, largest)), "another mean")
    findings.that(np.allclose(compressor.state()["owed/w"], mine - largest), "another rest")
    findings.that(compressor.tally.bytes == SENT * (8 + 4), f"{compressor.tally.bytes} bytes")


def test_sign_and_norm(comm, findings):
    mine = own(comm)
    sent = np.sign(mine) * np.abs(mine).mean()
    compressor = SignNorm(comm)
    findings.that(np.allclose(aggregated(compressor, mine), mean_of(comm, sent)), "another mean")
    findings.that(np.allclose(compressor.state()["owed/w"], mine - sent), "another rest")
    findings.that(compressor.tally.bytes == 8 + mine.size / 8, f"{compressor.tally.bytes} bytes")


@pytest.mark.parametrize("scheme", [RandomBlock, RandomK])
def test_random_entries(comm, findings, scheme):
    """The exact mean in as many entries as are sent, others in the next step, zeros elsewhere."""
    mine, compressor = own(comm), scheme(comm, 2, feedback=None)
    mean, places = mean_of(comm, mine), []
    for _ in range(2):
        found = aggregated(compressor, mine)
        places.append(found != 0)
        findings.that(np.allclose(found[places[-1]], mean[places[-1]]), "another mean")
        findings.that(places[-1].sum() == SENT, f"{places[-1].sum()} entries")
    findings.that((places[0] != places[1]).any(), "the same entries again")
    if scheme is RandomBlock:
        edges = np.diff(places[0].reshape(-1), prepend=places[0].flat[-1])
        findings.that(edges.sum() == 2, "not one block")


@pytest.mark.parametrize("feedback", ["aggregated", "local"])
def test_best_of_a_rank(comm, findings, feedback):
    mine = own(comm)
    found = aggregated(BestRank(comm, 2, feedback=feedback), mine)
    findings.that(np.allclose(found, best(mean_of(comm, mine), 2)), "not the best")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parallel_deflation(comm, findings, dtype):
    """On one matrix the error is that of ‖M‖² − Σ‖q_k‖² in every step, never grows, and ends at
    the best of the rank.
    """
    sizes = np.array([1, 0.8, 0.75, 0.5, *0.2 * 0.9 ** np.arange(20)])
    matrix = matrix_of(lambda k: sizes[k], (40, 24), 3)
    compressor, eps = ParallelDeflation(comm, 4, feedback=None), np.finfo(dtype).eps
    errors = []
    for _ in range(150):
        found = aggregated(compressor, shared_out(matrix, comm, dtype))
        q = compressor.state()["q/w"].astype(float)
        errors.append(np.linalg.norm(matrix - found) ** 2)
        told = np.linalg.norm(matrix) ** 2 - np.sum(q**2)
        findings.that(abs(errors[-1] - told) < 50 * eps, f"{errors[-1]} and {told}")
    findings.that(np.linalg.norm(found - best(matrix, 4)) < max(1e-6, 50 * eps), "not the best")
    findings.that(compressor.tally.bytes == 150 * 4 * 64 * np.dtype(dtype).itemsize, "bytes")


def test_pairs_rest(comm, findings):
    """Of a matrix of rank 2, two pairs are sent after a while; all of them when it grows."""
    low = matrix_of(lambda k: np.array([1.0, 0.7, *[0.0] * 8]), SHAPE, 4)
    compressor = ParallelDeflation(comm, 4, rest=0.01, least=0)
    for _ in range(12):  # what the others leave comes out of what is owed, and makes it grow
        aggregated(compressor, low)
    before = compressor.tally.bytes
    aggregated(compressor, low)
    findings.that(compressor.tally.bytes - before == 8 * (2 * sum(SHAPE) + 1), "three are sent")
    whole = matrix_of(lambda k: 0.9**k, SHAPE, 5)
    for _ in range(10):
        aggregated(compressor, whole)
    before = compressor.tally.bytes
    aggregated(compressor, whole)
    findings.that(compressor.tally.bytes - before == 8 * (4 * sum(SHAPE) + 1), "not all are sent")


RULES = {  # velocity m and mean g → what the parameters move by, over the learning rate
    None: lambda m, g, momentum: g + m,
    False: lambda m, g, momentum: m,
    True: lambda m, g, momentum: g + momentum * m,
}


@pytest.mark.parametrize("nesterov", RULES)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_sgd(comm, findings, nesterov, decay):
    """Algorithm 2, and PyTorch's two rules, on exact means, with a rate that falls."""

    def rate(step):
        return 0.1 / (1 + step)

    x = np.ones(SHAPE)
    sgd = SGD({"w": x}, AllReduce(comm), rate, 0.9, weight_decay=decay, nesterov=nesterov)
    expected, m = np.ones(SHAPE), 0.0
    for step in range(5):
        gradient = own(comm) * (step + 1)
        mean = mean_of(comm, gradient) + decay * expected
        m = 0.9 * m + mean
        expected = expected - rate(step) * RULES[nesterov](m, mean, 0.9)
        sgd.step({"w": gradient})
        findings.that(np.allclose(x, expected, atol=1e-14), f"step {step}")
