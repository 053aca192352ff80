"""Any workers may work in a round, neighbours or not: as plain numpy does it. What a state needs
is in it: stepping it again gives the same.
"""

import numpy as np
import pytest
import spectra

from hpcpca.linalg.deflation import EigenGameAlpha, Hotelling
from hpcpca.linalg.determination import Goals
from hpcpca.linalg.top1 import SOLVERS
from hpcpca.methods import schedule

pytestmark = pytest.mark.mpi
D, COUNT, ROUNDS = 30, 7, 9
TURNS = [
    np.array([letter == "x" for letter in turn])
    for turn in ("x.xx..x", ".x..xx.", ".......", "xxxxxxx", "...x.x.")
]


def in_turns(method, state, residuals):
    return TURNS[state.round % len(TURNS)]


def made(exchange, operator, rule=Hotelling, solver="power", steps=2, turns=in_turns):
    from hpcpca.methods.parallel_deflation import VectorExchange
    from hpcpca.methods.step_size import automatic
    from hpcpca.methods.worker import Worker

    worker = Worker(SOLVERS[solver], steps, rule, automatic)
    goals = Goals(1e-8, COUNT)
    return VectorExchange(operator, exchange, COUNT, worker, schedule=turns, goals=goals, seed=0)


def begun(method, exchange):
    from hpcpca.rng import unit_vectors

    return method.initialize(unit_vectors(0, range(COUNT), D)[exchange.owned(COUNT)])


def reference(sigma, rule, steps):
    """The panel (COUNT, D) after ROUNDS rounds of power steps, one worker after the other."""
    from hpcpca.rng import unit_vectors

    panel = unit_vectors(0, range(COUNT), D)
    for number in range(ROUNDS):
        last, images = panel.copy(), panel @ sigma
        values = np.sum(panel * images, axis=1)
        for k in np.flatnonzero(TURNS[number % len(TURNS)]):
            for _ in range(steps):
                image = sigma @ panel[k]
                if rule is Hotelling:
                    image = image - (last[:k].T * values[:k]) @ (last[:k] @ panel[k])
                else:
                    image = image - images[:k].T @ (last[:k] @ image / values[:k])
                panel[k] = image / np.linalg.norm(image)
    return panel


@pytest.mark.parametrize("rule", [Hotelling, EigenGameAlpha])
def test_workers_that_are_no_neighbours(comm, findings, exchange_over, gram_operator, rule):
    sigma, _ = spectra.covariance(spectra.exponential(D, 0.7), 1)
    for groups, shards in spectra.grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        operator = gram_operator(exchange, sigma)
        method = made(exchange, operator, rule)
        state = begun(method, exchange)
        before = exchange.counters.applications
        for _ in range(ROUNDS):
            state = method.step(state)
        panel = exchange.gather_small(state.vectors, exchange.grid.offsets(COUNT))
        error = np.abs(panel - reference(sigma, rule, 2)).max()
        findings.that(error <= 1e-9, f"grid {groups}x{shards}: {error:.1e} off")
        worked = sum(TURNS[number % len(TURNS)].sum() for number in range(ROUNDS))
        counted = exchange.counters.applications - before
        findings.that(counted == 2 * worked, f"{counted} applications for {worked} turns")
        scaled = np.ldexp(sigma, -operator.exponent)
        images = state.vectors @ scaled
        findings.that(np.allclose(state.images, images, atol=1e-12), "images of other vectors")


@pytest.mark.parametrize("solver", ["power", "momentum", "lanczos"])
def test_what_solvers_remember_stays_with_their_workers(
    comm, findings, exchange_over, gram_operator, solver
):
    """On any grid as on one rank; those who do not work keep what they had."""
    from mpi4py import MPI

    sigma, _ = spectra.covariance(spectra.exponential(D, 0.7), 1)
    ends = []
    for ranks, groups, shards in [
        (MPI.COMM_SELF, 1, 1),
        *((comm, *g) for g in spectra.grids(comm.size)),
    ]:
        exchange = exchange_over(ranks, groups, shards)
        method = made(exchange, gram_operator(exchange, sigma), solver=solver)
        state = begun(method, exchange)
        for _ in range(ROUNDS):
            former, state = state, method.step(state)
            working = TURNS[former.round % len(TURNS)][method.own]
            for name, array in former.memory.items():
                findings.that(
                    np.array_equal(state.memory[name][~working], array[~working]),
                    f"{name} of others changed",
                )
        ends.append(exchange.gather_small(state.vectors, exchange.grid.offsets(COUNT)))
    for end in ends[1:]:
        findings.that(np.abs(end - ends[0]).max() <= 1e-9, "depends on the grid")


@pytest.mark.parametrize("solver", ["power", "momentum", "chebyshev"])
def test_a_state_stepped_twice_gives_the_same(comm, findings, exchange_over, gram_operator, solver):
    sigma, _ = spectra.covariance(spectra.exponential(D, 0.7), 1)
    for turns in (schedule.staggered, schedule.all_at_once, schedule.sequential, in_turns):
        exchange = exchange_over(comm, comm.size, 1)
        method = made(exchange, gram_operator(exchange, sigma), solver=solver, turns=turns)
        state = begun(method, exchange)
        for _ in range(4):
            once, twice = method.step(state), method.step(state)
            findings.that(np.array_equal(once.vectors, twice.vectors), "other vectors")
            findings.that(np.array_equal(once.residuals, twice.residuals), "other residuals")
            findings.that(
                all(np.array_equal(a, twice.memory[name]) for name, a in once.memory.items()),
                "other memories",
            )
            state = once
