"""Mini-batches: how near to the eigenvectors they come, and when what they found is measured."""

import numpy as np
import pytest
import spectra
from test_mini_batches import VALUES, B, D, K, N, drawn, method_of, started

# The methods meet MPI in the exchange only, which test_exchange shows on every stack.
pytestmark = [pytest.mark.mpi, pytest.mark.once]


class Exactly:
    """Batches of all rows: Σ itself."""

    size = N

    def __init__(self, sigma):
        self.sigma = sigma

    def apply(self, vectors, numbers, round, step, superiors=None):
        return vectors @ self.sigma, None

    def count(self, vectors):
        pass


def exactly(gram_operator, exchange, sigma, longest, tol=1e-4, wanted=K):
    from hpcpca.linalg.determination import Goals
    from hpcpca.methods.measuring import Measuring
    from hpcpca.methods.sampled_ritz import SampledRitz

    return SampledRitz(
        gram_operator(exchange, sigma),
        exchange,
        8,
        Exactly(sigma),
        local_steps=1,
        longest_step=lambda exponent: longest,
        measuring=Measuring(Goals(tol, wanted, np.inf), 1000),
        seed=0,
    )


@pytest.mark.parametrize("name", ["power law", "clusters", "deficient"])
def test_without_noise_it_reaches_the_eigenpairs(
    comm, findings, exchange_over, gram_operator, name
):
    """With the scale-free step, and with one that is far too long and is not taken; the running
    mean forgets its start as a power of ℓ only.
    """
    from hpcpca.rng import unit_vectors

    sigma = spectra.covariance(
        {
            "power law": spectra.power_law(40, 2),
            "clusters": spectra.clusters(40),
            "deficient": spectra.deficient(40, 5),
        }[name],
        1,
    )[0]
    values = np.linalg.eigvalsh(sigma)[::-1]
    for longest in (None, 1e9):
        exchange = exchange_over(comm, 1, comm.size)
        method = exactly(gram_operator, exchange, sigma, longest)
        state = method.initialize(unit_vectors(0, range(8), 40)[exchange.owned(8)])
        while state.round < 1000 and (state.estimated or state.residuals[:K].max() > 1e-4):
            state = method.step(state)
        findings.that(
            not state.estimated and (state.residuals[:K] <= 1e-4).all(),
            f"η up to {longest}: residuals {state.residuals} in round {state.round}",
        )
        findings.that(
            np.abs(state.eigenvalues - values[:8])[:K].max() <= 1e-6 * values[0],
            f"η up to {longest}: eigenvalues {state.eigenvalues}",
        )
        findings.that(method.orthonormality(state, method.count) <= 1e-12, "not orthonormal")


def test_dependent_start_vectors(comm, findings, exchange_over, gram_operator):
    sigma = spectra.covariance(spectra.exponential(40, 0.6), 1)[0]
    exchange = exchange_over(comm, 1, comm.size)
    method = exactly(gram_operator, exchange, sigma, None)
    state = method.initialize(np.repeat(np.eye(1, 40), 8, axis=0)[exchange.owned(8)])
    while state.round < 1000 and (state.estimated or state.residuals[:K].max() > 1e-4):
        state = method.step(state)
    findings.that(
        (state.residuals[:K] <= 1e-4).all() and method.orthonormality(state, method.count) <= 1e-12,
        f"residuals {state.residuals}",
    )


@pytest.mark.parametrize("seed", range(2))
def test_as_near_as_the_rows_drawn_allow(comm, findings, exchange_over, shared_path, seed):
    """Mean square error against the least that any estimate from so many rows has, Σ_j
    λ_kλ_j/((λ_k − λ_j)²·N) (Anderson 1963).
    """
    from hpcpca.methods.state import State

    count, rounds, values = 20_000, 150, spectra.exponential(D, 0.5)
    rows = spectra.data_rows(values, count, seed)
    names = spectra.write(comm, shared_path, rows.astype(np.float32))
    values, true = (found[..., ::-1] for found in np.linalg.eigh(spectra.dense_covariance(rows)[0]))
    gaps = (values[:K, None] - values) ** 2
    least = np.sqrt(
        np.mean(
            np.sum(
                np.where(gaps > 0, values[:K, None] * values / np.where(gaps > 0, gaps, 1), 0),
                axis=1,
            )
        )
        / (B * rounds)
    )
    for options, times in (({}, 2.0), ({"exchange": "vectors"}, 3.0)):
        exchange = exchange_over(comm, 1, comm.size)
        batches, exact = drawn(exchange, names, B, seed, double=False)
        method = method_of(batches, exact, exchange, count, **options)
        state = started(method, exchange, seed)
        for _ in range(rounds):
            state = method.step(state)
        assert isinstance(state, State) and state.estimated
        found = exchange.gather_small(state.vectors, exchange.grid.offsets(K))
        cosines = np.abs(np.sum(found * true.T[:K], axis=1))
        error = np.sqrt(np.mean(2 - 2 * np.minimum(cosines, 1)))
        findings.that(error <= times * least, f"{options}: error {error:.3g}, least {least:.3g}")


def test_measured_when_it_says_so(comm, findings, exchange_over, shared_path):
    """A state that is not estimated has the images of all rows; the passes for it stay few."""
    rows = spectra.data_rows(VALUES, N)
    names = spectra.write(comm, shared_path, rows)
    sigma = spectra.dense_covariance(rows)[0]
    for options in ({}, {"exchange": "vectors"}):
        exchange = exchange_over(comm, 1, comm.size)
        batches, exact = drawn(exchange, names, B)
        method = method_of(batches, exact, exchange, N, tol=0.2, max_rounds=60, **options)
        state, measured = started(method, exchange), 0
        while state.round < 60:
            state = method.step(state)
            if not state.estimated:
                measured += 1
                images = np.ldexp(state.images, exact.exponent)
                findings.that(
                    np.abs(images - state.vectors @ sigma).max(initial=0) <= 1e-9,
                    "images are not Σ's",
                )
        findings.that(not state.estimated, "the last round is not measured")
        findings.that(1 <= measured <= 12, f"{measured} passes to measure")


def test_estimates_are_near_what_is_measured(comm, findings, exchange_over, shared_path):
    """Within an order of magnitude, and hardly too small: vectors follow their images, so that
    what is between the two says little.
    """
    rows = spectra.data_rows(VALUES, 6000)
    names = spectra.write(comm, shared_path, rows)
    for seed in range(3):
        exchange = exchange_over(comm, 1, comm.size)
        batches, exact = drawn(exchange, names, B, seed)
        method = method_of(batches, exact, exchange, 6000)
        state = started(method, exchange, seed)
        for _ in range(60):
            state = method.step(state)
        measured = method.remeasure(state)
        ratio = state.residuals / measured.residuals
        findings.that(
            state.estimated and (ratio > 0.4).all() and (ratio < 8).all(),
            f"estimated over measured: {ratio}",
        )


def test_good_start_vectors_are_kept(comm, findings, exchange_over, shared_path):
    """Measured vectors better than many batches could make them are no worse after a few."""
    rows = spectra.data_rows(VALUES, N)
    names = spectra.write(comm, shared_path, rows)
    exchange = exchange_over(comm, 1, comm.size)
    batches, exact = drawn(exchange, names, B)
    method = method_of(batches, exact, exchange, N)
    vectors = np.linalg.eigh(spectra.dense_covariance(rows)[0])[1].T[::-1][
        :K
    ] + 1e-4 * np.random.default_rng(0).standard_normal((K, D))
    state = method.initialize(vectors[exchange.owned(K)])
    before = state.residuals.max()
    for _ in range(8):
        state = method.step(state)
    after = method.remeasure(state).residuals.max()
    findings.that(after <= before, f"residuals {before} became {after}")


def test_measured_anew_with_vectors_exchanged(comm, findings, exchange_over, shared_path):
    """After a change of precision nothing is an estimate any more; what workers have learned is
    kept.
    """
    rows = spectra.data_rows(VALUES, N)
    names = spectra.write(comm, shared_path, rows)
    exchange = exchange_over(comm, 1, comm.size)
    batches, exact = drawn(exchange, names, B)
    state = started(method := method_of(batches, exact, exchange, N, exchange="vectors"), exchange)
    for _ in range(6):
        state = method.step(state)
    measured = method.remeasure(state)
    images = np.ldexp(measured.images, exact.exponent)
    findings.that(
        not measured.estimated
        and np.abs(images - state.vectors @ spectra.dense_covariance(rows)[0]).max(initial=0)
        <= 1e-9,
        "not measured",
    )
    findings.that(
        (measured.memory["drawn"] == state.memory["drawn"]).all(), "what was learned is lost"
    )


def test_whether_to_measure_is_decided_by_the_state_alone(
    comm, findings, exchange_over, shared_path
):
    """A state stepped twice gives the same, measured or not; after a measurement that was not good
    enough, it is estimated for half as many rounds again.
    """
    from hpcpca.linalg.determination import Goals
    from hpcpca.methods.measuring import Measuring

    names = spectra.write(comm, shared_path, spectra.data_rows(VALUES, N))
    exchange = exchange_over(comm, comm.size, 1)
    batches, exact = drawn(exchange, names, B)
    method = method_of(batches, exact, exchange, N, exchange="vectors", stagger=False)
    method.measuring = Measuring(Goals(0.4, K, np.inf), 1000)
    state, measured = started(method, exchange), []
    for _ in range(12):
        once, twice = method.step(state), method.step(state)
        findings.that(once.estimated == twice.estimated, "measured once only")
        findings.equal(once.vectors, twice.vectors, "other vectors")
        findings.equal(once.residuals, twice.residuals, "other residuals")
        state = once
        measured += [] if state.estimated else [state.round]
        findings.that(state.last_measured == max(measured, default=0), f"{measured}")
    findings.that(len(measured) > 1, f"measured in rounds {measured} only")
    findings.that(all(b >= 1.5 * a for a, b in zip(measured, measured[1:])), f"{measured}")
