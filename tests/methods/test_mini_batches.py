"""Mini-batches: what they show of Σ, the paper's stochastic algorithm followed step by step, and
how near to the eigenvectors they come.
"""

import numpy as np
import pytest
import spectra

# The methods meet MPI in the exchange only, which test_exchange shows on every stack.
pytestmark = [pytest.mark.mpi, pytest.mark.once]
N, D, K, B = 600, 12, 3, 50
VALUES = spectra.exponential(D, 0.6)


def drawn(exchange, names, size, seed=0, double=True, threads=1):
    """(MiniBatches, the operator on all rows after its first pass) of the rows in files.

    Collective.
    """
    from hpcpca.operators.minibatch import MiniBatches
    from hpcpca.operators.team import Team
    from hpcpca.sources.random_rows import RowReader
    from hpcpca.sources.source import open_source

    exact = spectra.build(exchange, "streaming", names, double)
    offsets = exchange.grid.offsets(1)
    exact.apply(np.eye(1, exact.d)[exchange.group_columns(offsets)], offsets)
    return (
        MiniBatches(
            RowReader(open_source(names), 1 << 20).rows,
            exact,
            size,
            seed,
            exchange,
            counters=exchange.counters,
            team=Team(threads),
        ),
        exact,
    )


def method_of(batches, exact, group, n, **options):
    from hpcpca.pca.settings import FitSettings

    config = FitSettings(components=K, batch_rows=batches.size, **{"tol": 0.0} | options).check()
    return config.chosen.build(exact, group, K, config, 10**6, batches=batches, rows=n)


def started(method, exchange, seed=5):
    from hpcpca.rng import unit_vectors

    return method.initialize(unit_vectors(seed, range(K), D)[exchange.owned(K)])


def rows_of(batches, rows, key):
    """The rows of a batch, and the mean of all taken off."""
    from hpcpca.operators.minibatch import runs_of

    numbers = np.concatenate(
        [
            np.arange(first, first + count)
            for first, count in runs_of(len(rows), batches.size, 0, *key)
        ]
    ) % len(rows)
    return rows[numbers].astype(np.float64) - rows.mean(axis=0, dtype=np.float64)


KINDS = {
    "float64": (np.float64, 1, 3.0),
    "float32": (np.float32, 1, 300.0),
    "uint8": (np.uint8, 20, 100),
    "int64": (np.int64, 1000, 2**60),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_those_of_the_rows_drawn(comm, findings, exchange_over, shared_path, kind):
    dtype, scale, mean = KINDS[kind]
    values = spectra.data_rows(VALUES, N) * scale
    rows = (
        np.clip(values + mean, 0, 255) if kind == "uint8" else values.astype(dtype) + dtype(mean)
    ).astype(dtype)
    names = spectra.write(comm, shared_path, rows[:217], rows[217:300], rows[300:])
    reference = rows - dtype(mean) if kind == "int64" else rows
    close = (
        3e-3 if kind == "int64" else 1e-6
        # a shift in whole numbers misses the mean by up to a half; that is made up for on average
    )
    for size, threads in ((B, 1), (7, 2), (N, 1)):
        exchange = exchange_over(comm, 1, comm.size)
        batches, exact = drawn(exchange, names, size, threads=threads)
        own = exchange.owned(4)
        vectors, numbers = np.random.default_rng(1).standard_normal((4, D))[own], np.arange(4)[own]
        superiors = np.random.default_rng(2).standard_normal((2, D))
        for taken in (None, superiors):
            images, squares = batches.apply(vectors, numbers, 3, 1, taken)
            for row, number in enumerate(numbers):
                batch = rows_of(batches, reference, (number, 3, 1))
                factor = np.ldexp(N / (N - 1) / size, -exact.exponent)
                expected = factor * batch.T @ (batch @ vectors[row])
                findings.that(
                    np.abs(images[row] - expected).max() <= close * np.abs(expected).max(),
                    f"{kind}, {size} rows: image of {number}",
                )
                if taken is not None:
                    expected = factor * ((batch @ superiors.T) ** 2).sum(axis=0)
                    findings.that(
                        np.abs(squares[row] - expected).max() <= close * expected.max(),
                        f"{kind}, {size} rows: squares",
                    )


def test_batches_are_independent(findings):
    """Another component, round, step or seed draws other rows; every row is as likely as
    another, the last and the first too.
    """
    from hpcpca.operators.minibatch import runs_of

    keys = [(0, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 0, 0)]
    findings.that(
        len({tuple(runs_of(N, B, *key)) for key in keys}) == len(keys), "the same batch twice"
    )
    findings.that(
        runs_of(N, B, 0, 0, 1, 2) == runs_of(N, B, 0, 0, 1, 2), "a batch drawn again is another"
    )
    counts = np.zeros(N)
    for round in range(4000):
        for first, count in runs_of(N, B, 0, 0, round, 0):
            np.add.at(counts, np.arange(first, first + count) % N, 1)
    expected = 4000 * B / N
    findings.that(
        np.abs(counts - expected).max() <= 6 * np.sqrt(expected),
        f"rows drawn {counts.min()} to {counts.max()} times, not about {expected}",
    )


@pytest.mark.parametrize("rule", ["hotelling", "projection", "mu"])
@pytest.mark.parametrize("steps", [1, 3])
def test_follows_the_paper(comm, findings, exchange_over, shared_path, rule, steps):
    """Algorithm 2 in plain numpy, with the same batches: g = Ŷᵀ(Ŷv) − Σ_j ‖Ŷv_j‖²(v_jᵀv)v_j, v ←
    normalise(v + ηg), superiors frozen for a round.
    """
    from hpcpca.rng import unit_vectors

    rows, eta = spectra.data_rows(VALUES, N, mean=2.0), 0.7
    names = spectra.write(comm, shared_path, rows[:100], rows[100:])
    options = (
        {"method": "eigengame-mu"} if rule == "mu" else {"exchange": "vectors", "deflation": rule}
    )
    for groups, shards in {(1, comm.size), (comm.size, 1)}:
        exchange = exchange_over(comm, groups, shards)
        batches, exact = drawn(exchange, names, B)
        method = method_of(
            batches, exact, exchange, N, step_size=str(eta), local_steps=steps, **options
        )
        state, panel = started(method, exchange), unit_vectors(5, range(K), D)
        for round in range(8):
            state, before = method.step(state), panel.copy()
            for k in range(min(round + 1, K)):
                basis = np.linalg.qr(before[:k].T)[0].T if k else before[:0]
                v = panel[k]
                if rule == "projection":
                    v = v - basis.T @ (basis @ v)
                    v /= np.linalg.norm(v)
                for step in range(steps):
                    batch = rows_of(batches, rows, (k, round, step)) * np.sqrt(N / (N - 1) / B)
                    image = batch.T @ (batch @ v)
                    taken = {
                        "hotelling": (
                            lambda: (
                                before[:k].T
                                @ (((batch @ before[:k].T) ** 2).sum(axis=0) * (before[:k] @ v))
                            )
                        ),
                        "projection": lambda: basis.T @ (basis @ image),
                        "mu": lambda: before[:k].T @ (before[:k] @ image),
                    }[rule]()
                    v = v + eta * (image - taken)
                    v /= np.linalg.norm(v)
                panel[k] = v
        found = exchange.gather_small(state.vectors, exchange.grid.offsets(K))
        findings.that(
            np.abs(found - panel).max() <= 1e-9,
            f"grid {groups}x{shards}: off by {np.abs(found - panel).max()}",
        )
        findings.that(state.estimated, "a round on batches is no measurement")


@pytest.mark.parametrize(
    "options",
    [{}, {"exchange": "vectors"}, {"method": "eigengame-mu"}, {"local_steps": 3}],
    ids=str,
)
def test_grids_and_going_on_do_not_matter(comm, findings, exchange_over, shared_path, options):
    """Ten rounds on every grid, also from what a state keeps after five."""
    from mpi4py import MPI

    rows = spectra.data_rows(VALUES, N, mean=2.0)
    names = spectra.write(comm, shared_path, rows)
    panels = []
    for ranks, groups, shards in [
        (MPI.COMM_SELF, 1, 1),
        *((comm, *grid) for grid in spectra.grids(comm.size)),
    ]:
        for stop in (None, 5):
            exchange = exchange_over(ranks, groups, shards)
            batches, exact = drawn(exchange, names, B)
            state = started(method := method_of(batches, exact, exchange, N, **options), exchange)
            while state.round < 10:
                if state.round == stop:
                    method = method_of(batches, exact, exchange, N, **options)
                    state = method.initialize(
                        state.vectors, state.images, state.round, state.memory
                    )
                state = method.step(state)
            panels.append(exchange.gather_small(state.vectors, exchange.grid.offsets(K)))
    for panel in panels[1:]:
        signs = np.sign(np.sum(panel * panels[0], axis=1, keepdims=True))
        findings.that(
            np.abs(signs * panel - panels[0]).max() <= 1e-9,
            f"off by {np.abs(signs * panel - panels[0]).max()}",
        )


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


def test_an_error_of_one_rank_is_everybodys(comm, findings, exchange_over, shared_path):
    """Files read long after the first pass, by one rank: all raise, so that none waits for the
    others.
    """
    from hpcpca.errors import DataError

    names = spectra.write(comm, shared_path, spectra.data_rows(VALUES, N))
    exchange = exchange_over(comm, 1, comm.size)
    batches, exact = drawn(exchange, names, B)
    state = started(method := method_of(batches, exact, exchange, N), exchange)
    if comm.rank == 0:

        def fails(runs):
            raise DataError("gone")

        batches._read = fails
    with pytest.raises(DataError, match="gone"):
        method.step(state)
    comm.Barrier()


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


def test_more_files_than_stay_open(findings, shared_path, comm, monkeypatch):
    """Threads that read many files, of which two stay open at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from hpcpca.sources import random_rows as batches
    from hpcpca.sources.source import open_source

    rows = np.arange(60.0).reshape(20, 3)
    names = spectra.write(comm, shared_path, *np.split(rows, 10))
    monkeypatch.setattr(batches, "MOST_OPEN", 2)
    reader = batches.RowReader(open_source(names), 1 << 20)
    runs = [[(start, 3), ((7 * start) % 20, 2)] for start in range(20)] * 5
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda some: np.concatenate(list(reader.rows(some))), runs))
    reader.close()
    for some, each in zip(runs, found):
        numbers = np.concatenate([np.arange(first, first + count) % 20 for first, count in some])
        findings.that(
            np.array_equal(np.sort(each[:, 0]), np.sort(rows[numbers, 0])), f"rows of {some}"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_all_rows_is_the_covariance(
    comm, findings, exchange_over, shared_path, monkeypatch, kind
):
    """To the last rounding, however far from the mean a shift in whole numbers is."""
    from hpcpca.operators import minibatch

    dtype = KINDS[kind][0]
    rows = np.rint(spectra.data_rows(VALUES, N) * 5 + 40.4).astype(dtype)
    names = spectra.write(comm, shared_path, rows)
    monkeypatch.setattr(minibatch, "runs_of", lambda *key: [(0, N)])
    batches, exact = drawn(exchange_over(comm, 1, comm.size), names, N)
    vectors = np.random.default_rng(1).standard_normal((2, D))
    images, _ = batches.apply(vectors, np.arange(2), 0, 0)
    expected = vectors @ spectra.dense_covariance(rows.astype(np.float64))[0]
    off = np.abs(np.ldexp(images, exact.exponent) - expected).max() / np.abs(expected).max()
    findings.that(off <= 1e-6 if dtype == np.float32 else off <= 1e-12, f"{kind}: off by {off}")


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
