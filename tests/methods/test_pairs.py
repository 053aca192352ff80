"""The exchange of pairs follows AdaPaD (arXiv 2605.10741) in plain numpy, on matrices as long as X
and Y, round by round.
"""

import numpy as np
import pytest
from spectra import agreed_assert, grids

# The method meets MPI in the exchange only, which test_exchange shows on every stack.
pytestmark = [pytest.mark.mpi, pytest.mark.once]

N, D, Q, R, ROUNDS = 60, 9, 7, 4, 12
SCHEDULES = {"staggered": {}, "at once": {"stagger": False}, "advance": {"advance": True}}


def unit(vector):
    return vector / np.linalg.norm(vector)


def least_squares(target, x, solve, b, steps):
    """``steps`` steps of alternating least squares."""
    for _ in range(steps):
        b = unit(target.T @ (x @ (solve @ (x.T @ (target @ b)))))
    return b


def gradient(target, x, solve, b, steps):
    """Steps down the gradient of ½‖target − x·a·bᵀ‖², of both sides at once, one more than
    ``steps``; lengths of a are those of x·a.
    """
    fit = x @ (solve @ (x.T @ (target @ b)))
    size = np.linalg.norm(fit)
    a, b = solve @ (x.T @ (target @ b)) / np.sqrt(size), np.sqrt(size) * b
    for _ in range(steps + 1):
        left = target - np.outer(x @ a, b)
        a, b = a + 0.5 / size * solve @ (x.T @ (left @ b)), b + 0.5 / size * left.T @ (x @ a)
    return unit(b)


SOLVERS = {"power": least_squares, "gradient": gradient}


def adapad(x, y, start, steps, schedule, solver=least_squares):
    """Rows b (R, q) and columns a (d, R) after every round: worker k fits what its superiors'
    pairs of the round before leave of Y, in ``steps`` steps of a ``solver``.
    """
    right, left = start.copy(), np.zeros((x.shape[1], R))
    solve = np.linalg.inv(x.T @ x)
    found = [(right.copy(), left.copy())]
    for number in range(1, ROUNDS + 1):
        before = right.copy(), left.copy()
        for k in range(R):
            if schedule == "staggered" and k >= number:
                continue
            seen = min(k, number - 1) if schedule == "advance" else k
            target = y - x @ before[1][:, :seen] @ before[0][:seen]
            b = solver(target, x, solve, before[0][k], steps)
            right[k], left[:, k] = b, solve @ (x.T @ (target @ b))
        found.append((right.copy(), left.copy()))
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps, solver", [(1, "power"), (3, "power"), (3, "gradient")])
def test_follows_plain_numpy(comm, exchange_over, gram_operator, schedule, steps, solver):
    """Vectors, what pairs fit, and the Gram matrix of their input sides."""
    from hpcpca.regression.settings import RegressSettings

    rng = np.random.default_rng(steps)
    x = rng.standard_normal((N, D)) @ rng.standard_normal((D, D))
    y = x @ rng.standard_normal((D, Q)) + rng.standard_normal((N, Q))
    start = np.array([unit(row) for row in rng.standard_normal((R, Q))])
    truth = adapad(x, y, start, steps, schedule, SOLVERS[solver])
    gram, cross = x.T @ x, x.T @ y
    sigma = cross.T @ np.linalg.solve(gram, cross)
    config = RegressSettings(
        components=R,
        targets=("y",),
        exchange="vectors",
        deflation="pairs",
        local_steps=steps,
        top1=solver,
        **SCHEDULES[schedule],
    ).check()
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        operator = gram_operator(exchange, sigma)
        method = config.chosen.build(operator, exchange, R, config, 0)
        state, offsets = method.initialize(start[exchange.owned(R)]), exchange.grid.offsets(R)
        for number in range(1, ROUNDS + 1):
            state = method.step(state)
            right, left = truth[number]
            expected = {
                "vectors": right,
                "pair_fits": (cross.T @ left).T,
                "pair_gram": left.T @ gram @ left,
            }
            for name, value in expected.items():
                mine = state.vectors if name == "vectors" else state.memory[name]
                whole = exchange.gather_small(mine, offsets)
                error = np.abs(whole - value).max() / max(np.abs(value).max(), 1e-300)
                agreed_assert(comm, error <= 1e-9, f"round {number}, {name}: off by {error:.1e}")


def test_a_step_twice(comm, exchange_over, gram_operator):
    """Nothing that a round needs is in the method."""
    from hpcpca.regression.settings import RegressSettings

    values = np.array([9.0, 5.0, 3.0, 2.0, 1.0])
    exchange = exchange_over(comm, comm.size, 1)
    config = RegressSettings(
        components=3, targets=("y",), exchange="vectors", deflation="pairs", stagger=False
    )
    rng = np.random.default_rng(0)
    start = np.array([unit(row) for row in rng.standard_normal((3, 5))])
    operator = gram_operator(exchange, np.diag(values))
    method = config.chosen.build(operator, exchange, 3, config, 0)
    state = method.initialize(start[exchange.owned(3)])
    for _ in range(3):
        state = method.step(state)
    one, other = method.step(state), method.step(state)
    same = np.array_equal(one.vectors, other.vectors) and all(
        np.array_equal(one.memory[name], other.memory[name]) for name in one.memory
    )
    agreed_assert(comm, same, "a second step from the same state gave another answer")
