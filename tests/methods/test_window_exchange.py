"""Workers in windows reach the eigenpairs at any pace, wait for nobody unless asked to, and end
together, whatever one of them meets.
"""

import time
from dataclasses import replace

import numpy as np
import pytest
import spectra
from spectra import agreed_assert

pytestmark = pytest.mark.mpi
D, K, TOL = 40, 5, 1e-8
WAYS = {
    "power": {},
    "hebb": {"top1": "hebb"},
    "momentum T=2": {"top1": "momentum", "local_steps": 2},
    "chebyshev T=4": {"top1": "chebyshev", "local_steps": 4},
    "lanczos T=3, projection": {"top1": "lanczos", "local_steps": 3, "deflation": "projection"},
    "projection": {"deflation": "projection"},
    "alpha": {"method": "eigengame-alpha"},
    "mu T=3": {"method": "eigengame-mu", "local_steps": 3},
    "not ahead": {"max_staleness": 0},
}
PACES = {
    "as they come": (),
    "late": ("rank=*:0-8ms",),
    "one slow": ("rank=*:apply=0.5ms", "rank=0:8x"),
    "late and slow": ("rank=0:5-9ms", "rank=1:4x"),
}


def made_method(exchange, operator, count=K, tol=TOL, max_rounds=100_000, **options):
    """The method through the registry, as a run makes it."""
    from hpcpca.pca.settings import FitSettings

    config = FitSettings(
        components=min(count, K),
        tol=tol,
        seed=3,
        max_rounds=max_rounds,
        **{"exchange": "window"} | options,
    ).check()
    return config.chosen.build(operator, exchange, count, config, 10**6)


def begun(method, exchange, count=K):
    from hpcpca.rng import unit_vectors

    return method.initialize(unit_vectors(3, range(count), D)[exchange.owned(count)])


def paced(exchange, sigma, pace, gram_operator):
    """Exchange and operator as ``--inject-latency`` makes them; two ranks at least are supposed."""
    from hpcpca.comm.late import injected

    around = injected(pace if exchange.size > 1 else (), exchange.rank, exchange.size, 0)
    return around.exchange(exchange), around.operator(gram_operator(exchange, sigma))


def finished(method, state, seconds=30):
    """Phases until a state is converged as a run has it."""
    limit = time.monotonic() + seconds
    while not (
        (state.residuals[:K] <= 0.8 * method.goals.tol).all()
        and method.orthonormality(state, K) <= 1e-8
    ):
        state = method.step(state)
        if method.exchange.maximum(time.monotonic() > limit):
            break
    return state


@pytest.mark.parametrize(
    "way, pace",
    [
        (way, pace)
        for number, way in enumerate(WAYS)
        for pace in ("as they come", list(PACES)[1 + number % 3])
    ],
)
def test_reaches_the_eigenpairs(comm, findings, exchange_over, gram_operator, way, pace):
    """Those of dense linear algebra, in order, orthonormal to the last digits; images are those
    of the vectors. Every way as they come, and at the other paces in turn.
    """
    sigma, _ = spectra.covariance(spectra.exponential(D, 0.6), 5)
    values, vectors = np.linalg.eigh(sigma)[0][::-1], np.linalg.eigh(sigma)[1].T[::-1]
    exchange, operator = paced(exchange_over(comm, comm.size, 1), sigma, PACES[pace], gram_operator)
    method = made_method(exchange, operator, **WAYS[way])
    state = finished(method, begun(method, exchange))
    whole = exchange.gather_small(state.vectors, exchange.grid.offsets(K))
    errors = [spectra.sine(whole[k], vectors[k : k + 1]) for k in range(K)]
    gaps = np.abs(np.diff(values))[: K + 1]
    findings.that((state.residuals <= TOL).all(), f"residuals {state.residuals}")
    findings.that(
        np.abs(state.eigenvalues - values[:K]).max() <= TOL, f"eigenvalues {state.eigenvalues}"
    )
    findings.that(
        all(errors[k] <= 10 * TOL / min(gaps[max(0, k - 1) : k + 1]) for k in range(K)),
        f"angles {errors}",
    )
    findings.that(np.abs(whole @ whole.T - np.eye(K)).max() <= 1e-12, "not orthonormal")
    findings.that(
        np.abs(state.vectors @ sigma - state.images).max(initial=0) <= 1e-12,
        "images of other vectors",
    )


def test_workers_without_columns_and_with_several(comm, findings, exchange_over, gram_operator):
    sigma, _ = spectra.covariance(spectra.exponential(D, 0.6), 5)
    for count in (1, 2, 7):
        exchange = exchange_over(comm, comm.size, 1)
        method = made_method(exchange, gram_operator(exchange, sigma), count)
        state = begun(method, exchange, count)
        while state.round < 4000 and not (state.residuals[:K] <= TOL).all():
            state = method.step(state)
        findings.that((state.residuals[:K] <= TOL).all(), f"{count} columns: {state.residuals}")


def test_what_was_done_is_counted(comm, findings, exchange_over, gram_operator):
    """Applications of all ranks, alike on all of them; no worker does more local rounds than it
    may, and all do as many.
    """
    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange, operator = paced(
        exchange_over(comm, comm.size, 1), sigma, PACES["one slow"], gram_operator
    )
    method, seen = made_method(exchange, operator, tol=0.0, max_rounds=7, local_steps=3), []
    method.watch = lambda round, vectors, values, norms: seen.append(round)
    state = begun(method, exchange)
    while state.round < 7:
        state = method.step(state)
    counts = comm.allgather(exchange.counters.applications)
    findings.that(counts == [K + 7 * 3 * K] * comm.size, f"applications {counts}")
    findings.that(
        state.round == 7 and (max(seen) == 7 or exchange.owned(K).start == K),
        f"round {state.round}, local {seen}",
    )
    findings.that(len(set(comm.allgather(exchange.counters.bytes_exchanged))) == 1, "bytes differ")


@pytest.mark.parametrize("staleness", [0, 2, None])
def test_staleness(comm, findings, exchange_over, gram_operator, staleness):
    """With the first worker slow, the others are never more than so many rounds ahead of what
    they have seen; without a bound they are.
    """
    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange, operator = paced(
        exchange_over(comm, comm.size, 1),
        sigma,
        ("rank=*:apply=0.5ms", "rank=0:20x"),
        gram_operator,
    )
    method, ahead = (
        made_method(exchange, operator, tol=0.0, max_rounds=25, max_staleness=staleness),
        [],
    )
    method.watch = lambda round, vectors, values, norms: ahead.append(
        round - method._rounds.get(0, round)
    )
    state = begun(method, exchange)
    ahead.clear()
    while state.round < 25:
        state = method.step(state)
    most = max(comm.allgather(max(ahead, default=0)))
    if staleness is not None:
        findings.that(most <= staleness, f"{most} ahead")
    elif comm.size > 1:
        findings.that(most > 10, f"only {most} ahead: somebody waits")


def test_nobody_waits_for_a_slow_worker(comm, findings, exchange_over, gram_operator):
    """While the last worker does one local round, the first does many, and they are told nothing
    by a collective.
    """
    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange, operator = paced(
        exchange_over(comm, comm.size, 1),
        sigma,
        ("rank=*:apply=1ms", f"rank={comm.size - 1}:100x"),
        gram_operator,
    )
    method, rounds = made_method(exchange, operator, tol=0.0), []
    method.limits = replace(method.limits, seconds=0.5)
    method.watch = lambda round, vectors, values, norms: rounds.append(round)
    state = method.step(begun(method, exchange))
    counts = comm.allgather(max(rounds))
    findings.that(
        comm.size == 1 or (state.round == min(counts) <= 8 and counts[0] > 40),
        f"local rounds {counts}, round {state.round}",
    )


@pytest.mark.parametrize("where", [0, -1])
def test_an_error_of_one_rank_is_everybodys(comm, exchange_over, gram_operator, where):
    """In the middle of a phase, raised by all with the same words, and no hang."""
    from hpcpca.errors import DataError

    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange = exchange_over(comm, comm.size, 1)
    operator = gram_operator(exchange, sigma)
    method = made_method(exchange, operator, tol=0.0)
    state, victim, apply = (
        begun(method, exchange),
        range(min(comm.size, K))[where],
        type(operator).apply,
    )
    calls = []

    def failing(self, panel, offsets):
        calls.append(len(panel))
        if exchange.rank == victim and len(calls) == 9:
            raise DataError(f"rank {victim} cannot read")
        return apply(self, panel, offsets)

    operator.__class__ = type("Failing", (type(operator),), {"apply": failing})
    said = "nothing"
    try:
        for _ in range(3):
            state = method.step(state)
    except DataError as error:
        said = str(error)
    agreed_assert(comm, said == f"rank {victim} cannot read", f"{said} was raised")


def test_numbers_that_are_not_finite(comm, exchange_over, gram_operator):
    """Named with the component, by all ranks."""
    from hpcpca.errors import HpcpcaError

    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange = exchange_over(comm, comm.size, 1)
    operator = gram_operator(exchange, sigma)
    method = made_method(exchange, operator, tol=0.0)
    state = begun(method, exchange)
    if exchange.rank == 0:
        operator._matrix[0, 0] = np.nan
    said = "nothing"
    try:
        method.step(state)
    except HpcpcaError as error:
        said = str(error)
    agreed_assert(comm, "component 0 is not finite" in said, f"{said} was raised")


def test_a_request_to_one_rank_ends_the_phase(comm, findings, exchange_over, gram_operator):
    sigma, _ = spectra.covariance(spectra.power_law(D), 5)
    exchange = exchange_over(comm, comm.size, 1)
    method = made_method(exchange, gram_operator(exchange, sigma), tol=0.0)
    state, begun_at = begun(method, exchange), time.monotonic()
    if comm.rank == comm.size - 1:
        exchange.world.interrupt.asked = lambda: 10 * (time.monotonic() - begun_at > 0.1)
    state = method.step(state)
    findings.that(time.monotonic() - begun_at < 0.8, "heard late")
    findings.that(exchange.world.interrupt.agreed() == 10, "not agreed")
    findings.that(
        np.abs(state.vectors @ sigma - state.images).max(initial=0) <= 1e-12,
        "images of other vectors",
    )


@pytest.mark.parametrize("kind", ["in-memory", "streaming"])
@pytest.mark.parametrize("double", [True, False])
def test_operators_on_rows_at_any_pace(comm, findings, exchange_over, shared_path, kind, double):
    """Every rank applies Σ by itself as often as it likes: no call waits for another rank, and
    all give the same images.
    """
    rows = spectra.data_rows(spectra.exponential(12, 0.7), 90, mean=3.0).astype(
        "f8" if double else "f4"
    )
    names = spectra.write(comm, shared_path, rows[:40], rows[40:])
    exchange = exchange_over(comm, comm.size, 1)
    operator = spectra.build(exchange, kind, names, double)
    panel = np.linalg.qr(np.random.default_rng(0).standard_normal((12, K)))[0].T
    own = exchange.owned(K)
    together = operator.apply(panel[own], exchange.grid.offsets(K))
    alone = operator.over(exchange.alone())
    for _ in range(1 + 2 * comm.rank):
        found = alone.apply(panel, np.array([0, K]))
    sigma, _ = spectra.dense_covariance(rows)
    true = np.ldexp(panel @ sigma, -operator.exponent)
    findings.that(
        np.abs(found - true).max() <= (1e-13 if double else 1e-6),
        f"{np.abs(found - true).max()} off",
    )
    findings.that(
        np.abs(found[own] - together).max(initial=0) <= (1e-13 if double else 1e-6),
        "not what all together find",
    )
