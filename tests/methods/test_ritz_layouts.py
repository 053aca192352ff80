"""The Ritz exchange on data in files: any operator, any grid, any nodes; single precision; a
start from a sample.
"""

import numpy as np
import pytest
import spectra
from spectra import grids
from test_ritz_exchange import SPECTRA, K, M, ritz, solve, starts, whole

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize("kind, seed", [("gram", 0), ("in-memory", 1), ("streaming", 0)])
def test_single_precision_holds_its_tolerance_in_double(
    comm, findings, exchange_over, shared_path, kind, seed
):
    """Float32 products err by about 1e-7: what stops at 0.8e-6 is within 1e-6 of the exact
    covariance of the data as stored.
    """
    rows = (spectra.data_rows(SPECTRA["power law"], 400, seed) + 50).astype(np.float32)
    exchange = exchange_over(comm, 1, comm.size)
    operator = spectra.build(exchange, kind, spectra.write(comm, shared_path, rows))
    state = solve(ritz(operator, exchange, 1e-6), exchange, starts(seed), 1e-6)
    sigma, vectors = spectra.dense_covariance(rows)[0], whole(exchange, state)[:K]
    true = (
        np.linalg.norm(
            vectors @ sigma - np.sum(vectors @ sigma * vectors, axis=1)[:, None] * vectors,
            axis=1,
        )
        / spectra.leading(sigma, 1)[0]
    )
    findings.that(
        not operator.is_double and state.round < 20 and true.max() <= 1e-6,
        f"seed {seed}, round {state.round}: {true}",
    )


def test_warm_start(comm, findings, exchange_over, shared_path):
    """Rounds on a sample: a better start, counted by its share of a pass; the run then goes on
    with the whole operator.
    """
    from hpcpca.methods.warm_start import ROUNDS, warm_start

    rows = spectra.data_rows(SPECTRA["exponential"], 400, 0)
    exchange = exchange_over(comm, 1, comm.size)
    operator = spectra.build(exchange, "in-memory", spectra.write(comm, shared_path, rows))
    first, last = (100 * exchange.rank // comm.size, 100 * (exchange.rank + 1) // comm.size)
    method = ritz(operator, exchange, 1e-6)
    sample = operator.sampled(np.arange(last - first), 0.25)
    warmed = warm_start(method, sample, starts(0)[method.own])
    findings.that(
        method.operator is operator and exchange.counters.passes == 0.25 * ROUNDS,
        "operator and passes",
    )
    warm, cold = (
        method.step(method.initialize(vectors)) for vectors in (warmed, starts(0)[method.own])
    )
    findings.that(
        (warm.residuals[:K] < 0.5 * cold.residuals[:K]).all(),
        f"warm {warm.residuals}, cold {cold.residuals}",
    )


@pytest.mark.parametrize(
    "kind, name, turn",
    [
        ("gram", "slow power law", 0),
        ("gram", "double", 1),
        ("in-memory", "slow power law", 1),
        ("streaming", "exponential", 0),
    ],
)
def test_grids_and_nodes_agree(comm, findings, exchange_over, shared_path, kind, name, turn):
    """The same eigenvalues on every grid and any nodes: residuals of 1e-9 make errors of 1e-18
    over the gap. Every other layout in turn; all have to give the prescribed ones.
    """
    names = spectra.write(comm, shared_path, spectra.data_rows(SPECTRA[name], 150, seed=3))
    found = []
    layouts = [(grid, None) for grid in grids(comm.size)]
    layouts += [
        ((comm.size, 1), lambda rank: rank // 2),
        ((1, comm.size), lambda rank: rank % 2),
        (grids(comm.size)[len(layouts) // 2], lambda rank: rank),
    ]
    for (groups, shards), node_of in layouts[turn::2]:
        exchange = exchange_over(comm, groups, shards, node_of)
        operator = spectra.build(exchange, kind, names)
        state = solve(ritz(operator, exchange, 1e-9, basis=4 * M), exchange, starts(0), 1e-9)
        found.append((state.round, np.ldexp(state.eigenvalues[:K], operator.exponent)))
    worst = max(np.abs(values - SPECTRA[name][:K]).max() for _, values in found) / SPECTRA[name][0]
    spread = np.ptp([values for _, values in found], axis=0).max() / SPECTRA[name][0]
    findings.that(
        spread <= 1e-12 and worst <= 1e-12,
        f"eigenvalues differ by {spread:.1e}, from the prescribed ones by {worst:.1e}",
    )
    # New directions come from residuals near rounding, and what is nearly dependent is dropped at a
    # threshold: one round more or less.
    findings.that(
        np.ptp([rounds for rounds, _ in found]) <= 1, f"rounds {[rounds for rounds, _ in found]}"
    )
