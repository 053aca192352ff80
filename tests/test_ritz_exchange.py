"""The Ritz exchange on prescribed spectra: the right eigenpairs, in no more passes than block Krylov, whatever the ranks."""

import numpy as np
import pytest
import spectra
from spectra import grids

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
    """Rounds until every residual of the first K is within 0.8 tol, or nothing is left; return the last state."""
    state = method.initialize(start[method.own])
    while state.round < most:
        state = method.step(state)
        if state.exhausted or (state.residuals[:K] <= 0.8 * tol).all():
            return state
    return state


def whole(exchange, state, count=M):
    return exchange.gather_small(state.vectors, exchange.grid.offsets(count))


def starts(seed, count=M, d=D):
    from hpcpca.rng import unit_vectors
    return unit_vectors(seed, range(count), d)


def block_krylov(sigma, start, tol, count=K, most=60):
    """Passes that textbook block Krylov with all its history needs until the leading residuals are within 0.8 tol."""
    basis, block = np.zeros((0, len(sigma))), np.linalg.qr(start.T)[0].T
    for passes in range(1, most):
        basis = np.vstack([basis, block])
        values, coefficients = np.linalg.eigh(basis @ sigma @ basis.T)
        vectors = coefficients[:, ::-1].T[:count] @ basis
        errors = np.linalg.norm(vectors @ sigma - values[::-1][:count, None] * vectors, axis=1) / values[-1]
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
    """What does not hold of the first K of a converged state, by dense linear algebra; "" if all does."""
    true, space = spectra.leading(sigma, len(sigma))
    values = state.eigenvalues[:K]
    # Weyl: an eigenvalue within r·λ₀ of each; with nothing missed it is the one of that number. 1e-13: rounding of eigh.
    if not (np.abs(values - true[:K]) <= (tol + 1e-13) * true[0]).all():
        return f"eigenvalues off by {np.abs(values - true[:K]).max() / true[0]:.1e}"
    residuals = np.linalg.norm(vectors @ sigma - state.eigenvalues[:, None] * vectors, axis=1) / values[0]
    if not (np.abs(residuals - state.residuals) <= 1e-13).all():
        return f"residuals {state.residuals} measured, {residuals} true"
    if not np.abs(vectors @ vectors.T - np.eye(len(vectors))).max() <= 1e-12:  # basis and coefficients: d·u each, and d = 120
        return "vectors are not orthonormal"
    for k in range(K):  # Davis–Kahan: of the subspace of eigenvalues within 5 % of λ_0 of this one
        near = np.abs(true - true[k]) < 0.05 * true[0]
        gap = np.abs(true[~near] - values[k]).min()
        if not spectra.sine(vectors[k], space[near]) <= (residuals[k] + 1e-13) * true[0] / gap:
            return f"component {k} is not in the space of its eigenvalues"
    return ""


def ritz(operator, exchange, tol, basis=10 * M, count=M, seed=0):
    from hpcpca.methods.ritz_exchange import RitzExchange
    return RitzExchange(operator, exchange, count, basis, tol, seed)


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("name", SPECTRA)
def test_converges_in_the_passes_of_block_krylov(comm, findings, exchange_over, gram_operator, name, tol):
    exchange = exchange_over(comm, comm.size, 1)
    for seed in (0, 1):
        sigma, _ = spectra.covariance(SPECTRA[name], seed)
        exchange.counters.passes = exchange.counters.applications = 0
        method = ritz(gram_operator(exchange, sigma), exchange, tol, basis=D + M)
        state = solve(method, exchange, starts(seed), tol)
        why = wrong(sigma, whole(exchange, state), state, tol)
        findings.that(not why, f"seed {seed}: {why}")
        findings.that(method.orthonormality(state) <= 1e-12, "orthonormality")
        # converged workers leave the panel, so that the last block may lack a direction: one more
        most = block_krylov(sigma, starts(seed), tol) + 1
        passes = exchange.counters.passes
        findings.that(passes <= most and passes == state.round, f"seed {seed}: {passes} passes, block Krylov at most {most}")
        findings.that(exchange.counters.applications <= M * passes, "more applications than columns times passes")


@pytest.mark.parametrize("name", ["slow power law", "clusters", "double"])
def test_a_small_basis_restarts_and_converges(comm, findings, exchange_over, gram_operator, name):
    """At three panels of history: about as many passes as the prototype's, at most twice those with the whole history."""
    exchange = exchange_over(comm, comm.size, 1)
    for seed in (0, 1, 2):
        sigma, _ = spectra.covariance(SPECTRA[name], seed)
        method = ritz(gram_operator(exchange, sigma), exchange, 1e-9, basis=0)
        assert len(method.basis.array) == 3 * M
        state = solve(method, exchange, starts(seed), 1e-9, most=100)
        why = wrong(sigma, whole(exchange, state), state, 1e-9)
        findings.that(not why, f"seed {seed}: {why}")
        full = block_krylov(sigma, starts(seed), 1e-9)
        findings.that(3 < state.round <= 2 * full, f"seed {seed}: {state.round} rounds, {full} with the whole history")


def test_all_components_of_a_space(comm, findings, exchange_over, gram_operator):
    """K = d: the first pass has everything."""
    sigma, _ = spectra.covariance(spectra.power_law(10), 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 1e-12, count=10)
    state = method.step(method.initialize(starts(0, 10, 10)[method.own]))
    findings.that(np.abs(state.eigenvalues - spectra.power_law(10)).max() <= 1e-14 * 10, "eigenvalues")
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


def test_exhausted_where_the_tolerance_is_below_rounding(comm, findings, exchange_over, gram_operator):
    """Krylov's space of a rank-3 matrix is all used up: the run ends by itself."""
    sigma, _ = spectra.covariance(spectra.deficient(30, 3), 0)
    exchange = exchange_over(comm, comm.size, 1)
    method = ritz(gram_operator(exchange, sigma), exchange, 0.0, basis=30 + M)
    state = solve(method, exchange, starts(0, M, 30), 0.0, most=40)
    findings.that(state.exhausted and state.residuals.max() <= 1e-14, f"round {state.round}: {state.residuals}")


@pytest.mark.parametrize("when", [2, 6])
def test_remeasure_goes_on_with_another_operator(comm, findings, exchange_over, gram_operator, when):
    """Single precision, then double: vectors are kept, images and residuals are those of the new operator."""
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
    true = np.linalg.norm(after @ sigma - state.eigenvalues[:, None] * after, axis=1) / state.eigenvalues[0]
    findings.that(state.round == when and np.abs(true - state.residuals).max() <= 1e-13, "residuals of the new operator")
    # the space has the old vectors still: no Ritz value is below their Rayleigh quotients
    old = np.linalg.eigvalsh(before @ sigma @ before.T)[::-1]
    findings.that((state.eigenvalues >= old - 1e-13).all(), "the vectors were not kept")
    while not (state.residuals[:K] <= 0.8e-11).all() and state.round < 100:
        state = method.step(state)
    why = wrong(sigma, whole(exchange, state), state, 1e-11)
    findings.that(not why, why)


def test_goes_on_from_ritz_vectors_and_images(comm, findings, exchange_over, gram_operator):
    """What a checkpoint keeps: the state is that of the stopped run, without a pass, and the run goes on from it."""
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
    while not (again.residuals[:K] <= 0.8e-9).all() and again.round < 60:
        again = second.step(again)
    why = wrong(sigma, whole(exchange, again), again, 1e-9)
    findings.that(not why, why)


@pytest.mark.parametrize("kind", ["gram", "in-memory", "streaming"])
def test_single_precision_holds_its_tolerance_in_double(comm, findings, exchange_over, shared_path, kind):
    """Float32 products err by about 1e-7: what stops at 0.8e-6 is within 1e-6 of the exact covariance of the data as stored."""
    for seed in (0, 1):
        rows = (spectra.data_rows(SPECTRA["power law"], 400, seed) + 50).astype(np.float32)
        exchange = exchange_over(comm, 1, comm.size)
        operator = spectra.build(exchange, kind, spectra.write(comm, shared_path, rows))
        state = solve(ritz(operator, exchange, 1e-6), exchange, starts(seed), 1e-6)
        sigma, vectors = spectra.dense_covariance(rows)[0], whole(exchange, state)[:K]
        true = np.linalg.norm(vectors @ sigma - np.sum(vectors @ sigma * vectors, axis=1)[:, None] * vectors, axis=1) / spectra.leading(sigma, 1)[0]
        findings.that(not operator.is_double and state.round < 20 and true.max() <= 1e-6, f"seed {seed}, round {state.round}: {true}")


def test_warm_start(comm, findings, exchange_over, shared_path):
    """Rounds on a sample: a better start, counted by its share of a pass; the run then goes on with the whole operator."""
    from hpcpca.methods.warm_start import ROUNDS, warm_start
    rows = spectra.data_rows(SPECTRA["exponential"], 400, 0)
    exchange = exchange_over(comm, 1, comm.size)
    operator = spectra.build(exchange, "in-memory", spectra.write(comm, shared_path, rows))
    first, last = (100 * exchange.rank // comm.size, 100 * (exchange.rank + 1) // comm.size)
    method = ritz(operator, exchange, 1e-6)
    warmed = warm_start(method, operator.sampled([(0, last - first)], 0.25), starts(0)[method.own])
    findings.that(method.operator is operator and exchange.counters.passes == 0.25 * ROUNDS, "operator and passes")
    warm, cold = (method.step(method.initialize(vectors)) for vectors in (warmed, starts(0)[method.own]))
    findings.that((warm.residuals[:K] < 0.5 * cold.residuals[:K]).all(), f"warm {warm.residuals}, cold {cold.residuals}")


@pytest.mark.parametrize("kind, name", [("gram", "slow power law"), ("gram", "double"), ("in-memory", "slow power law"), ("streaming", "exponential")])
def test_grids_and_nodes_agree(comm, findings, exchange_over, shared_path, kind, name):
    """The same eigenvalues on every grid and any nodes: residuals of 1e-9 make errors of 1e-18 over the gap."""
    names = spectra.write(comm, shared_path, spectra.data_rows(SPECTRA[name], 150, seed=3))
    found = []
    layouts = [(grid, None) for grid in grids(comm.size)]
    layouts += [((comm.size, 1), lambda rank: rank // 2), ((1, comm.size), lambda rank: rank % 2), (grids(comm.size)[len(layouts) // 2], lambda rank: rank)]
    for (groups, shards), node_of in layouts:
        exchange = exchange_over(comm, groups, shards, node_of)
        operator = spectra.build(exchange, kind, names)
        state = solve(ritz(operator, exchange, 1e-9, basis=4 * M), exchange, starts(0), 1e-9)
        found.append((state.round, np.ldexp(state.eigenvalues[:K], operator.exponent)))
    worst = max(np.abs(values - SPECTRA[name][:K]).max() for _, values in found) / SPECTRA[name][0]
    spread = np.ptp([values for _, values in found], axis=0).max() / SPECTRA[name][0]
    findings.that(spread <= 1e-12 and worst <= 1e-12, f"eigenvalues differ by {spread:.1e}, from the prescribed ones by {worst:.1e}")
    # New directions come from residuals near rounding, and what is nearly dependent is dropped at a threshold: one round more or less.
    findings.that(np.ptp([rounds for rounds, _ in found]) <= 1, f"rounds {[rounds for rounds, _ in found]}")
