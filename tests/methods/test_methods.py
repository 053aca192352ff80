"""Every method and solver reaches the eigenpairs of dense linear algebra, on any grid of ranks;
the baselines are what they are called.
"""

import numpy as np
import pytest
import spectra
from test_ritz_exchange import block_krylov

# The methods meet MPI in the exchange only, which test_exchange shows on every stack.
pytestmark = [pytest.mark.mpi, pytest.mark.once]
D, K, TOL = 60, 5, 1e-8
SPECTRA = {
    "power law": spectra.power_law(D, 2),
    "exponential": spectra.exponential(D, 0.7),
    "rank below K": spectra.deficient(D, 3),
}
WAYS = {
    "power": {},
    "no stagger": {"stagger": False},
    "advance": {"advance": True},
    "hebb": {"top1": "hebb"},
    "momentum": {"top1": "momentum"},
    "momentum T=4": {"top1": "momentum", "local_steps": 4},
    "lanczos T=4": {"top1": "lanczos", "local_steps": 4},
    "lanczos T=4, projection, no stagger": {
        "top1": "lanczos",
        "local_steps": 4,
        "deflation": "projection",
        "stagger": False,
    },
    "projection": {"deflation": "projection"},
    "chebyshev T=6": {"top1": "chebyshev", "local_steps": 6},
    "sequential": {"method": "sequential-deflation", "local_steps": 3},
    "sequential, momentum": {"method": "sequential-deflation", "top1": "momentum"},
    "alpha": {"method": "eigengame-alpha"},
    "mu": {"method": "eigengame-mu"},
    "mu, hebb": {"method": "eigengame-mu", "top1": "hebb"},
    "mu T=5": {"method": "eigengame-mu", "local_steps": 5},
    "orthogonal iteration": {"method": "orthogonal-iteration"},
    "block Krylov": {"method": "block-krylov"},
}


def made(way, operator, exchange, count=K, basis=10**6, tol=TOL):
    """The method of a way, through the registry as a run makes it."""
    from hpcpca.pca.settings import FitSettings

    config = FitSettings(
        components=count,
        tol=tol,
        seed=3,
        **{"exchange": "vectors"} | WAYS[way] if "method" not in WAYS[way] else WAYS[way],
    ).check()
    return config.chosen.build(operator, exchange, count, config, basis)


def begun(method, exchange, count=K, d=D, seed=3):
    """The first measured state, from random vectors."""
    from hpcpca.methods.ritz_exchange import RitzExchange
    from hpcpca.rng import unit_vectors

    state = method.initialize(unit_vectors(seed, range(count), d)[exchange.owned(count)])
    return method.step(state) if isinstance(method, RitzExchange) else state


def whole(exchange, state, count=K):
    return exchange.gather_small(state.vectors, exchange.grid.offsets(count))


@pytest.mark.parametrize(
    "way, name",
    [
        (way, name)
        for number, way in enumerate(WAYS)
        for name in (list(SPECTRA)[number % 2], "rank below K")
    ],
)
def test_reaches_the_eigenpairs(comm, findings, exchange_over, gram_operator, way, name):
    """Every way, with fewer eigenvalues than components and on the others in turn."""
    sigma, _ = spectra.covariance(SPECTRA[name], 5)
    values, vectors = np.linalg.eigvalsh(sigma)[::-1], np.linalg.eigh(sigma)[1].T[::-1]
    wanted = K if name != "rank below K" else 3
    for groups, shards in {(1, comm.size), (comm.size, 1)}:
        exchange = exchange_over(comm, groups, shards)
        method = made(way, gram_operator(exchange, sigma), exchange)
        state = begun(method, exchange)
        while state.round < 1500 and not state.exhausted and not (state.residuals[:K] <= TOL).all():
            state = method.step(state)
        found = whole(exchange, state)
        errors = [spectra.sine(found[k], vectors[k : k + 1]) for k in range(wanted)]
        gaps = np.abs(np.diff(values))[: wanted + 1]
        bound = [10 * TOL * values[0] / min(gaps[max(0, k - 1) : k + 1]) for k in range(wanted)]
        findings.that(
            (state.residuals[:K] <= TOL).all(),
            f"{way}, grid {groups}x{shards}: residuals {state.residuals[:K]} in round"
            f" {state.round}",
        )
        findings.that(
            (np.array(errors) <= bound).all(),
            f"{way}, grid {groups}x{shards}: angles {errors}, at most {bound}",
        )
        findings.that(
            np.abs(found @ found.T - np.eye(K)).max() <= 1e-2,
            f"{way}, grid {groups}x{shards}: not orthogonal",
        )


@pytest.mark.parametrize(
    "way",
    [
        "power",
        "momentum T=4",
        "lanczos T=4",
        "projection",
        "alpha",
        "mu, hebb",
        "sequential",
        "advance",
    ],
)
def test_the_grid_does_not_matter(comm, findings, exchange_over, gram_operator, way):
    """Twelve rounds on every grid, also with ranks that own no column, against one rank alone."""
    from mpi4py import MPI

    sigma, _ = spectra.covariance(SPECTRA["power law"], 1)
    grids = [(MPI.COMM_SELF, 1, 1), *((comm, *grid) for grid in spectra.grids(comm.size))]
    panels, applications = [], set()
    for ranks, groups, shards in grids:
        exchange = exchange_over(ranks, groups, shards)
        method = made(way, gram_operator(exchange, sigma), exchange, count=3)
        state = begun(method, exchange, count=3)
        for _ in range(12):
            state = method.step(state)
        panels.append(whole(exchange, state, 3))
        applications.add(exchange.counters.applications)
    for (_, groups, shards), panel in zip(grids[1:], panels[1:]):
        findings.that(
            np.abs(panel - panels[0]).max() <= 1e-9,
            f"{way}, grid {groups}x{shards}: {np.abs(panel - panels[0]).max():.1e} off",
        )
    findings.that(len(applications) == 1, f"{way}: applications {applications}")


def test_only_those_who_work_are_counted(comm, findings, exchange_over, gram_operator):
    """Applications of Σ: K to begin with, then T for each worker whose turn has come; one
    worker's with sequential deflation.
    """
    sigma, _ = spectra.covariance(SPECTRA["power law"], 1)
    for way, steps, expected in (
        ("power", 1, [K + 1, K + 3, K + 6, K + 10, K + 15, K + 20]),
        ("mu T=5", 5, [K + 5, K + 15, K + 30, K + 50, K + 75, K + 100]),
        ("no stagger", 1, [2 * K, 3 * K, 4 * K]),
        ("sequential", 3, [K + 3, K + 6, K + 9]),
    ):
        exchange = exchange_over(comm, comm.size, 1)
        method = made(way, gram_operator(exchange, sigma), exchange)
        state, counted = begun(method, exchange), []
        for _ in expected:
            state = method.step(state)
            counted.append(exchange.counters.applications)
        findings.that(counted == expected, f"{way}: {counted} instead of {expected}")


def test_sequential_deflation_works_in_order(comm, findings, exchange_over, gram_operator):
    """One worker moves in a round, and nobody before those above are done."""
    sigma, _ = spectra.covariance(SPECTRA["exponential"], 2)
    exchange = exchange_over(comm, 1, comm.size)
    method = made("sequential", gram_operator(exchange, sigma), exchange)
    state, order = begun(method, exchange), []
    while not (state.residuals <= TOL).all() and state.round < 500:
        before, state = whole(exchange, state), method.step(state)
        moved = np.flatnonzero(np.abs(whole(exchange, state) - before).max(axis=1) > 0)
        findings.that(len(moved) <= 1, f"round {state.round} moved {moved}")
        order += moved.tolist()
        above = state.residuals[: moved[0]] if len(moved) else np.zeros(0)
        findings.that(
            (above <= 10 * TOL).all(), f"worker {moved} works while those above have {above}"
        )
    findings.that(
        (state.residuals <= TOL).all() and order[0] == 0 and order == sorted(order),
        f"order {order}",
    )


@pytest.mark.parametrize("name", ["power law", "exponential"])
def test_orthogonal_iteration_is_the_textbooks(comm, findings, exchange_over, gram_operator, name):
    """After every round the Ritz values of span{Σ^r V}, by numpy's QR."""
    sigma, _ = spectra.covariance(SPECTRA[name], 4)
    from hpcpca.rng import unit_vectors

    exchange = exchange_over(comm, comm.size, 1)
    method = made("orthogonal iteration", gram_operator(exchange, sigma), exchange, count=8)
    state, panel = begun(method, exchange, count=8), unit_vectors(3, range(8), D)
    for round_ in range(1, 9):
        basis = np.linalg.qr(panel.T)[0]
        values = np.linalg.eigvalsh(basis.T @ sigma @ basis)[::-1]
        findings.that(
            state.round == round_ and np.abs(state.eigenvalues - values).max() <= 1e-12,
            f"round {round_}: {state.eigenvalues} instead of {values}",
        )
        panel, state = basis.T @ sigma, method.step(state)


@pytest.mark.parametrize("basis", [10**6, 30])
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_block_krylov_takes_its_passes(comm, findings, exchange_over, gram_operator, tol, basis):
    """As many rounds as the textbook's, on the same start panel; a few more where the basis is
    restarted.
    """
    from hpcpca.rng import unit_vectors

    sigma, _ = spectra.covariance(SPECTRA["power law"], 4)
    for groups, shards in spectra.grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        method = made(
            "block Krylov", gram_operator(exchange, sigma), exchange, count=8, basis=basis, tol=tol
        )
        state = begun(method, exchange, count=8)
        while (
            state.round < 60
            and not state.exhausted
            and not (state.residuals[:K] <= 0.8 * tol).all()
        ):
            state = method.step(state)
        expected = block_krylov(sigma, unit_vectors(3, range(8), D), tol, K)
        most = expected if basis > D else 2 * expected
        findings.that(
            expected <= state.round <= most,
            f"grid {groups}x{shards}: {state.round} rounds, {expected} expected",
        )
