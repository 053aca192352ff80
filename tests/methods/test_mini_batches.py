"""Mini-batches: what they show of Σ, and the paper's stochastic algorithm followed step by step."""

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


def test_more_files_than_stay_open(findings, shared_path, comm, monkeypatch):
    """Threads that read many files, of which two stay open at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from hpcpca.sources import random_rows as batches
    from hpcpca.sources.source import open_source

    rows = np.arange(60.0).reshape(20, 3)
    names = spectra.write(comm, shared_path, *np.split(rows, 10))
    monkeypatch.setattr(batches, "MOST_OPEN", 2)
    source = open_source(names)
    source.copy_rows()
    reader = batches.RowReader(source, 1 << 20)
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
