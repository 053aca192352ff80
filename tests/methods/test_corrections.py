"""Directions by correction equations on a sample: exact solutions, few passes, right answers, and
never more than one pass behind the better kind of directions.
"""

import numpy as np
import pytest
import spectra

pytestmark = pytest.mark.mpi
D, K, M, TOL = 120, 6, 8, 1e-6
SPECTRA = {
    "power law": spectra.power_law(D),
    "flat": spectra.power_law(D, 0.5),
    "clusters": spectra.clusters(D, 4, 1e-3) + 1e-9,
    "steep": spectra.exponential(D, 0.5),
}
# rows of the sample; residuals alone are better than corrections on the fewest
SIZES = (60, 400, 6000)


def build(comm, exchange_over, values, sample, kind, *, basis=1000, seed=0):
    """A Ritz exchange on diag(λ) with corrections on Σ_s."""
    from hpcpca.bench.experiments.corrections import Diagonal, Drawn
    from hpcpca.linalg.determination import Goals
    from hpcpca.methods.corrections import Corrections
    from hpcpca.methods.ritz_exchange import RitzExchange

    exchange = exchange_over(comm, comm.size, 1)
    operator, drawn = Diagonal(values, exchange), Drawn(sample, exchange)
    method = RitzExchange(operator, exchange, M, basis, goals=Goals(TOL, K, np.inf), seed=seed)
    method.corrections = Corrections(drawn, exchange, M, kind)
    return method


def start(method, seed=0):
    """The first state: from vectors that are converged on the sample."""
    from hpcpca.methods.warm_start import warm_start
    from hpcpca.rng import unit_vectors

    numbers = range(method.own.start, method.own.stop)
    vectors = unit_vectors(seed, numbers, method.operator.d)
    return method.step(method.initialize(warm_start(method, method.corrections.sample, vectors)))


def passes(method, state, most=40):
    """Passes until the residuals of K are within 0.8·TOL, and the last state."""
    while state.round < most and not (state.residuals[:K] <= 0.8 * TOL).all():
        state = method.step(state)
    return state.round, state


def drawn(values, rows, seed=0):
    from hpcpca.bench.experiments.corrections import sampled

    return sampled(values, rows, seed)


@pytest.mark.parametrize("name", SPECTRA)
def test_auto_is_within_a_pass_of_the_better(comm, findings, exchange_over, name):
    from hpcpca.methods.corrections import CORRECTIONS, RESIDUALS

    values = SPECTRA[name]
    for rows in SIZES:
        sample, found = drawn(values, rows), {}
        for kind in (RESIDUALS, CORRECTIONS, None):
            method = build(comm, exchange_over, values, sample, kind)
            found[kind], state = passes(method, start(method))
            error = np.abs(state.eigenvalues[:K] - values[:K]).max()
            findings.that(error <= 2 * TOL, f"{name}, {rows} rows, {kind}: values off by {error}")
        better = min(found[RESIDUALS], found[CORRECTIONS])
        findings.that(found[None] <= better + 1, f"{name}, {rows} rows: {found}")
        if rows == max(SIZES) and name == "flat":  # what it is for
            findings.that(found[None] <= found[RESIDUALS] - 2, f"no passes saved: {found}")


def test_corrections_solve_their_equation(comm, findings, exchange_over, monkeypatch):
    """(I − VVᵀ)(Σ_s − θ)(I − VVᵀ)t = −r and t ⊥ V, by dense linear algebra; some workers only."""
    from hpcpca.methods import corrections

    monkeypatch.setattr(corrections, "STEPS", 200)
    values = SPECTRA["power law"]
    sample = drawn(values, 300)
    method = build(comm, exchange_over, values, sample, corrections.CORRECTIONS)
    state = start(method)
    active = np.arange(M) % 3 != 1
    vectors = method.exchange.gather_small(state.vectors, method.exchange.grid.offsets(M))
    own, offsets = method.corrections._solved(method, state, active)
    found = method.exchange.gather_small(own, offsets)
    outside = np.eye(D) - vectors.T @ vectors
    for solution, k in zip(found, np.flatnonzero(active)):
        residual = vectors[k] * values - state.eigenvalues[k] * vectors[k]
        projected = outside @ (sample - state.eigenvalues[k] * np.eye(D)) @ outside
        exact = np.linalg.lstsq(projected, -outside @ residual, rcond=1e-10)[0]
        error = np.abs(solution - exact).max() / np.abs(exact).max()
        findings.that(error <= 1e-6, f"worker {k}: off by {error:.1e}")


def test_a_sample_of_all_needs_next_to_nothing(comm, findings, exchange_over):
    """With Σ itself as Σ_s, the start has what is wanted already."""
    from hpcpca.methods.corrections import CORRECTIONS

    values = SPECTRA["flat"]
    method = build(comm, exchange_over, values, np.diag(values), CORRECTIONS)
    count, _ = passes(method, start(method))
    findings.that(count <= 2, f"{count} passes")


@pytest.mark.parametrize("panels", [3, 4, 6])
def test_short_history(comm, findings, exchange_over, panels):
    """Restarts keep what is known; with no room for both kinds, they take turns."""
    values = SPECTRA["flat"]
    method = build(comm, exchange_over, values, drawn(values, 400), None, basis=panels * M)
    count, state = passes(method, start(method), 60)
    whole = build(comm, exchange_over, values, drawn(values, 400), None)
    full, _ = passes(whole, start(whole))
    findings.that(count <= full + (4 if panels < 4 else 3), f"{count} passes, {full} with all")
    findings.that(np.abs(state.eigenvalues[:K] - values[:K]).max() <= 2 * TOL, "values")


def test_ranks_agree_on_what_is_published(comm, findings, exchange_over):
    """The same eigenvalues as one rank alone finds, round by round."""
    from mpi4py import MPI

    values, found = SPECTRA["flat"], []
    for over in (comm, MPI.COMM_SELF):
        method = build(over, exchange_over, values, drawn(values, 400), None)
        state = start(method)
        for _ in range(4):
            state = method.step(state)
        found.append(state.eigenvalues)
    findings.that(np.allclose(*found, rtol=1e-12, atol=0), f"{found}")
