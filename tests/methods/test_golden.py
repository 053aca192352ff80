"""The vectors exchange follows the trajectories of the paper authors' own code, round by round,
on any grid of ranks.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
import spectra
from spectra import agreed_assert, grids

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
# The trajectories amplify rounding by at most the condition of 40 rounds of power steps; the design
# asks for 1e-9.
FOLLOWED_TO = 1e-9

# The methods meet MPI in the exchange only, which test_exchange shows on every stack.
pytestmark = [pytest.mark.mpi, pytest.mark.once]


# What the authors call a method, and our options for it.
OPTIONS = {
    "parallel_deflation_power": {},
    "parallel_deflation_hebb": {"top1": "hebb", "step_size": "0.5"},
    "eigengame_alpha": {"method": "eigengame-alpha"},
    "eigengame_mu": {"method": "eigengame-mu"},
}


def golden(name, method="parallel_deflation_power"):
    """Return start vectors, {T: trajectory (8, K, d)} and the rounds kept."""
    with h5py.File(GOLDEN / name) as file:
        return (
            file["v0"][...],
            {t: file[f"{method}/T{t}"][...] for t in (1, 3, 5)},
            file["kept_rounds"][...].tolist(),
        )


def run(operator, exchange, start, local_steps, kept, **options):
    """The whole panel (K, d) after every kept round."""
    from hpcpca.pca.settings import FitSettings

    count = len(start)
    config = FitSettings(
        components=count, exchange="vectors", local_steps=local_steps, **options
    ).check()
    method = config.chosen.build(operator, exchange, count, config, 0)
    state = method.initialize(start[exchange.owned(count)])
    found = []
    for number in range(kept[-1] + 1):
        if number:
            state = method.step(state)
        assert state.round == number
        if number in kept:
            found.append(exchange.gather_small(state.vectors, exchange.grid.offsets(count)))
    return np.array(found)


def differences(found, expected):
    """Largest entry of the difference, up to each vector's sign: (rounds, K)."""
    signs = np.sign(np.einsum("rkd,rkd->rk", found, expected))
    return np.abs(found - signs[..., None] * expected).max(axis=2)


@pytest.mark.parametrize("local_steps", [1, 3, 5])
@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("name", ["powerlaw.h5", "exponential.h5"])
def test_follows_the_authors_trajectories(comm, exchange_over, name, method, local_steps):
    start, trajectories, kept = golden(name, method)
    nodes = [None] * len(grids(comm.size)) + [lambda rank: rank % 2, lambda rank: rank // 2]
    for (groups, shards), node_of in zip(
        [*grids(comm.size), (comm.size, 1), (comm.size, 1)], nodes
    ):
        exchange = exchange_over(comm, groups, shards, node_of)
        operator = spectra.build(exchange, "covariance", [f"{GOLDEN / name}:sigma"])
        found = run(operator, exchange, start, local_steps, kept, **OPTIONS[method])
        worst = differences(found, trajectories[local_steps])
        agreed_assert(
            comm,
            (worst <= FOLLOWED_TO).all(),
            f"grid {groups}x{shards}: {worst.max():.1e} off, first in round"
            f" {kept[int(np.argmax((worst > FOLLOWED_TO).any(axis=1)))]}",
        )


@pytest.mark.parametrize("name", ["powerlaw.h5", "exponential.h5"])
def test_workers_wait_for_their_round(comm, exchange_over, gram_operator, name):
    """Round ℓ moves components 0..ℓ−1 only, and each of those."""
    start, trajectories, kept = golden(name)
    with h5py.File(GOLDEN / name) as file:
        sigma = file["sigma"][...]
    exchange = exchange_over(comm, comm.size, 1)
    rounds = list(range(len(start) + 1))
    found = run(gram_operator(exchange, sigma), exchange, start, 1, rounds)
    for number in rounds[1:]:
        moved = np.abs(found[number] - found[number - 1]).max(axis=1) > 1e-12
        agreed_assert(
            comm,
            moved.tolist() == [k < number for k in range(len(start))],
            f"round {number} moved {moved}",
        )


@pytest.mark.parametrize("name", ["powerlaw.h5", "exponential.h5"])
def test_ends_at_the_eigenvectors(comm, exchange_over, gram_operator, name):
    """The golden files are what they say: their λ and v are those of Σ, and the last round is
    near them.
    """
    with h5py.File(GOLDEN / name) as file:
        sigma, values, vectors = (
            file[key][...] for key in ("sigma", "eigenvalues", "eigenvectors")
        )
    start, _, kept = golden(name)
    assert np.abs(vectors @ sigma - values[:, None] * vectors).max() <= 1e-13 * values[0] * len(
        sigma
    )
    exchange = exchange_over(comm, comm.size, 1)
    found = run(gram_operator(exchange, sigma), exchange, start, 5, kept)
    # Power steps on Σ: tan∠ shrinks by λ₁/λ₀ or more with each of them; 1e-12 for their rounding.
    along = abs(start[0] @ vectors[0])
    bound = np.sqrt(1 - along**2) / along * (values[1] / values[0]) ** (5 * kept[-1]) + 1e-12
    worst = differences(found[-1:, :1], vectors[None, :1]).max()
    agreed_assert(
        comm,
        worst <= bound,
        f"component 0 is {worst:.1e} off at the end, power steps bring it to {bound:.1e}",
    )
