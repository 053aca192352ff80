"""The Ritz exchange on prescribed spectra: the right eigenpairs, in no more passes than block
Krylov, whatever the ranks.
"""

from time import sleep

import numpy as np
import pytest
import spectra

pytestmark = pytest.mark.mpi
D, K, M = 120, 6, 8
SPECTRA = {
    "power law": spectra.power_law(D),
    "slow power law": spectra.power_law(D, 0.5),
    "exponential": spectra.exponential(D, 0.9),
    "clusters": spectra.clusters(D, 4, 1e-3),
    "double": spectra.double(D),
    "rank below K": spectra.deficient(D, 4),
}


def solve(method, exchange, start, tol, most=60):
    """Rounds from a start panel until every residual of the first K is within 0.8 tol, or
    nothing is left; return the last state.
    """
    return go_on(method, method.initialize(start[method.own]), tol, most)


def go_on(method, state, tol, most=100):
    while (
        state.round < most and not state.exhausted and not (state.residuals[:K] <= 0.8 * tol).all()
    ):
        state = method.step(state)
    return state


def whole(exchange, state, count=M):
    return exchange.gather_small(state.vectors, exchange.grid.offsets(count))


def starts(seed, count=M, d=D):
    from hpcpca.rng import unit_vectors

    return unit_vectors(seed, range(count), d)


def block_krylov(sigma, start, tol, count=K, most=60):
    """Passes that textbook block Krylov with all its history needs until the leading residuals
    are within 0.8 tol.
    """
    basis, block = np.zeros((0, len(sigma))), np.linalg.qr(start.T)[0].T
    for passes in range(1, most):
        basis = np.vstack([basis, block])
        values, coefficients = np.linalg.eigh(basis @ sigma @ basis.T)
        vectors = coefficients[:, ::-1].T[:count] @ basis
        errors = (
            np.linalg.norm(vectors @ sigma - values[::-1][:count, None] * vectors, axis=1)
            / values[-1]
        )
        if (errors <= 0.8 * tol).all():
            return passes
        rest = block @ sigma
        for _ in range(3):
            rest = rest - (rest @ basis.T) @ basis
            left, sizes, right = np.linalg.svd(rest, full_matrices=False)
            rest = right[sizes > 1e-12 * max(sizes[0], 1e-300)]
        block = rest
    return most


def wrong(sigma, vectors, state, tol):
    """What does not hold of the first K of a converged state, by dense linear algebra; "" if all
    does.
    """
    true, space = spectra.leading(sigma, len(sigma))
    values = state.eigenvalues[:K]
    # Weyl: an eigenvalue within r·λ₀ of each; with nothing missed it is the one of that number.
    # 1e-13: rounding of eigh.
    if not (np.abs(values - true[:K]) <= (tol + 1e-13) * true[0]).all():
        return f"eigenvalues off by {np.abs(values - true[:K]).max() / true[0]:.1e}"
    residuals = (
        np.linalg.norm(vectors @ sigma - state.eigenvalues[:, None] * vectors, axis=1) / values[0]
    )
    if not (np.abs(residuals - state.residuals) <= 1e-13).all():
        return f"residuals {state.residuals} measured, {residuals} true"
    if (
        not np.abs(vectors @ vectors.T - np.eye(len(vectors))).max() <= 1e-12
    ):  # basis and coefficients: d·u each, and d = 120
        return "vectors are not orthonormal"
    for k in range(K):  # Davis–Kahan: of the subspace of eigenvalues within 5 % of λ_0 of this one
        near = np.abs(true - true[k]) < 0.05 * true[0]
        gap = np.abs(true[~near] - values[k]).min()
        if not spectra.sine(vectors[k], space[near]) <= (residuals[k] + 1e-13) * true[0] / gap:
            return f"component {k} is not in the space of its eigenvalues"
    return ""


def ritz(operator, exchange, tol, basis=10 * M, count=M, seed=0):
    from hpcpca.linalg.determination import Goals
    from hpcpca.methods.ritz_exchange import RitzExchange

    goals = Goals(tol, min(K, count), np.inf)
    return RitzExchange(operator, exchange, count, basis, goals=goals, seed=seed)


TOLERANCES = (1e-3, 1e-6, 1e-10)


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("name", SPECTRA)
def test_converges_in_the_passes_of_block_krylov(
    comm, findings, exchange_over, gram_operator, name, tol
):
    """Each spectrum from two starts, which tolerances have in turn."""
    exchange = exchange_over(comm, comm.size, 1)
    seed = (list(SPECTRA).index(name) + TOLERANCES.index(tol)) % 2
    sigma, _ = spectra.covariance(SPECTRA[name], seed)
    method = ritz(gram_operator(exchange, sigma), exchange, tol, basis=D + M)
    state = solve(method, exchange, starts(seed), tol)
    panel = whole(exchange, state)
    orthonormality = method.orthonormality(state, method.count)
    told = state.round, state.eigenvalues, state.residuals, panel
    for mine, roots in zip(told, comm.bcast(told)):
        findings.that(np.abs(mine - roots).max() <= 1e-14, "not what the root has")
    if comm.rank:
        return  # the root compares it
    why = wrong(sigma, panel, state, tol)
    findings.that(not why, f"seed {seed}: {why}")
    findings.that(orthonormality <= 1e-12, "orthonormality")
    # converged workers leave the panel, so that the last block may lack a direction: one more
    most = block_krylov(sigma, starts(seed), tol) + 1
    passes = exchange.counters.passes
    findings.that(
        passes <= most and passes == state.round,
        f"seed {seed}: {passes} passes, block Krylov at most {most}",
    )
    findings.that(
        exchange.counters.applications <= M * passes,
        "more applications than columns times passes",
    )


@pytest.mark.parametrize("name, seed", [("slow power law", 0), ("clusters", 1), ("double", 2)])
def test_a_small_basis_restarts_and_converges(
    comm, findings, exchange_over, gram_operator, name, seed
):
    """At three panels of history: about as many passes as the prototype's, at most twice those
    with the whole history.
    """
    exchange = exchange_over(comm, comm.size, 1)
    sigma, _ = spectra.covariance(SPECTRA[name], seed)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-9, basis=0)
    assert len(method.basis.array) == 3 * M
    state = solve(method, exchange, starts(seed), 1e-9, most=100)
    why = wrong(sigma, whole(exchange, state), state, 1e-9)
    findings.that(not why, f"seed {seed}: {why}")
    full = block_krylov(sigma, starts(seed), 1e-9)
    findings.that(
        3 < state.round <= 2 * full,
        f"seed {seed}: {state.round} rounds, {full} with the whole history",
    )


def test_all_components_of_a_space(comm, findings, exchange_over, gram_operator):
    """K = d: the first pass has everything."""
    sigma, _ = spectra.covariance(spectra.power_law(10), 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-12, count=10)
    state = method.step(method.initialize(starts(0, 10, 10)[method.own]))
    findings.that(
        np.abs(state.eigenvalues - spectra.power_law(10)).max() <= 1e-14 * 10, "eigenvalues"
    )
    findings.that(state.residuals.max() <= 1e-13, "residuals")
    state = method.step(state)
    findings.that(state.exhausted or state.residuals.max() <= 1e-13, "then there is nothing left")


@pytest.mark.parametrize("kind", ["equal", "zero", "dependent", "eigenvectors"])
def test_start_vectors_that_do_not_span_a_panel(comm, findings, exchange_over, gram_operator, kind):
    sigma, true = spectra.covariance(SPECTRA["power law"], 0)
    start = starts(0)
    if kind == "equal":
        start[:] = start[0]
    elif kind == "zero":
        start[3:] = 0
    elif kind == "dependent":
        start[5] = (start[0] + start[1]) / np.linalg.norm(start[0] + start[1])
    else:
        start = true[[0, 0, 1, 1, 1, 7, 9, 9]].copy()
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-8, basis=D + M)
    state = solve(method, exchange, start, 1e-8)
    why = wrong(sigma, whole(exchange, state), state, 1e-8)
    findings.that(not why, why)


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
def test_nearly_dependent_directions_leave_the_basis_orthonormal(
    comm, findings, exchange_over, gram_operator, apart
):
    """Directions mostly in the basis already, and off it nearly the same: what is kept of them
    is amplified by up to 1/apart.
    """
    sigma, _ = spectra.covariance(SPECTRA["power law"], 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-12, basis=D + M)
    state = method.step(method.initialize(starts(0)[method.own]))
    directions = method.basis.array[:M] + 1e-3 * (starts(1)[0] + apart * starts(2))
    state = method.take_up(state, directions[method.own], None)
    method.step(state)
    basis = method.basis.array[: method.size].copy()
    error = np.abs(basis @ basis.T - np.eye(len(basis))).max()
    # projected off once more after each orthonormalisation, only rounding is left
    findings.that(error <= 1e-14, f"{error:.1e} from orthonormal with {len(basis)} rows")
    # apart = 1e-6 is 1e-12 in the Gram matrix, below the 1e-10 kept; the common direction stays
    findings.that(len(basis) == (M + 1 if apart == 1e-6 else 2 * M), f"{len(basis)} rows")


def test_exhausted_where_the_tolerance_is_below_rounding(
    comm, findings, exchange_over, gram_operator
):
    """Krylov's space of a rank-3 matrix is all used up: the run ends by itself."""
    sigma, _ = spectra.covariance(spectra.deficient(30, 3), 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 0.0, basis=30 + M)
    state = solve(method, exchange, starts(0, M, 30), 0.0, most=40)
    findings.that(
        state.exhausted and state.residuals.max() <= 1e-14,
        f"round {state.round}: {state.residuals}",
    )


@pytest.mark.parametrize("when", [2, 6])
def test_remeasure_goes_on_with_another_operator(
    comm, findings, exchange_over, gram_operator, when
):
    """Single precision, then double: vectors are kept, images and residuals are those of the new
    operator.
    """
    sigma, _ = spectra.covariance(SPECTRA["slow power law"], 0)
    rough = sigma.astype(np.float32).astype(np.float64)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, rough, is_double=False), exchange, 1e-11, basis=4 * M)
    state = method.initialize(starts(0)[method.own])
    for _ in range(when):
        state = method.step(state)
    before = whole(exchange, state)
    method.operator = gram_operator(exchange, sigma)
    state = method.remeasure(state)
    after = whole(exchange, state)
    true = (
        np.linalg.norm(after @ sigma - state.eigenvalues[:, None] * after, axis=1)
        / state.eigenvalues[0]
    )
    findings.that(
        state.round == when and np.abs(true - state.residuals).max() <= 1e-13,
        "residuals of the new operator",
    )
    # the space has the old vectors still: no Ritz value is below their Rayleigh quotients
    old = np.linalg.eigvalsh(before @ sigma @ before.T)[::-1]
    findings.that((state.eigenvalues >= old - 1e-13).all(), "the vectors were not kept")
    state = go_on(method, state, 1e-11)
    why = wrong(sigma, whole(exchange, state), state, 1e-11)
    findings.that(not why, why)


class Stopping:
    """An operator that is stopped in its next pass."""

    def __init__(self, operator):
        self.d, self.rounding = operator.d, operator.rounding

    def apply(self, panel, offsets):
        raise InterruptedError


@pytest.mark.parametrize("rounds", [2, 3])  # 3: the next round begins with a restart
def test_a_round_that_is_stopped_leaves_the_last_ones_vectors(
    comm, findings, exchange_over, gram_operator, rounds
):
    """Formed only then, they are what they were: eigenvectors to a residual, with their images."""
    sigma, _ = spectra.covariance(SPECTRA["slow power law"], 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-9, basis=0)
    state = method.initialize(starts(0)[method.own])
    for _ in range(rounds):
        older, state = state, method.step(state)
    method.operator = Stopping(method.operator)
    with pytest.raises(InterruptedError):
        method.step(state)
    restarted = method.size < (rounds + 1) * M
    findings.that(restarted == (rounds == 3), f"{method.size} rows")
    vectors = whole(exchange, state)
    images = exchange.gather_small(state.images, exchange.grid.offsets(M))
    findings.that(np.abs(vectors @ sigma - images).max() <= 1e-14, "images of other vectors")
    lengths = np.linalg.norm(images - state.eigenvalues[:, None] * vectors, axis=1)
    off = np.abs(lengths / state.eigenvalues[0] - state.residuals).max()
    findings.that(off <= 1e-14, f"residuals differ by {off:.1e}")
    findings.that(np.abs(vectors @ vectors.T - np.eye(M)).max() <= 1e-14, "not orthonormal")
    with pytest.raises(AssertionError):  # never the newest ones in place of these
        older.vectors.sum()


def test_nobody_begins_anew_before_all_have_their_vectors(
    comm, findings, exchange_over, gram_operator
):
    """The root takes its time to form them; the others start again, in the same memory."""
    sigma, _ = spectra.covariance(SPECTRA["slow power law"], 0)
    exchange = exchange_over(comm, comm.size, 1)
    first = ritz(gram_operator(exchange, sigma), exchange, 1e-9)
    state = first.step(first.initialize(starts(0)[first.own]))
    second = first.on(first.operator)
    if comm.rank == 0:
        sleep(0.2)
        state.vectors.sum()
    second.step(second.initialize(starts(1)[first.own]))
    if comm.rank == 0:
        findings.that(
            np.abs(state.vectors @ state.vectors.T - np.eye(len(state.vectors))).max() <= 1e-14,
            "vectors of two runs",
        )


def test_goes_on_from_ritz_vectors_and_images(comm, findings, exchange_over, gram_operator):
    """What a checkpoint keeps: the state is that of the stopped run, without a pass, and the run
    goes on from it.
    """
    sigma, _ = spectra.covariance(SPECTRA["slow power law"], 0)
    exchange = exchange_over(comm, comm.size, 1)
    operator = gram_operator(exchange, sigma)
    first = ritz(operator, exchange, 1e-9)
    state = first.initialize(starts(0)[first.own])
    for _ in range(4):
        state = first.step(state)
    passes = exchange.counters.passes
    second = ritz(operator, exchange, 1e-9)
    again = second.initialize(state.vectors, state.images, round=4)
    findings.that(exchange.counters.passes == passes and again.round == 4, "a pass was taken")
    findings.that(np.abs(again.eigenvalues - state.eigenvalues).max() <= 1e-13, "eigenvalues")
    findings.that(np.abs(again.residuals - state.residuals).max() <= 1e-13, "residuals")
    again = go_on(second, again, 1e-9)
    why = wrong(sigma, whole(exchange, again), again, 1e-9)
    findings.that(not why, why)
