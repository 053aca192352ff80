"""MINRES for many systems: least residuals over Krylov spaces, by least squares."""

import numpy as np
import pytest

from hpcpca.linalg.minres import minres

pytestmark = pytest.mark.once


def systems(seed, d=30, count=4):
    """Symmetric indefinite A_k = A − θ_k, and right sides."""
    random = np.random.default_rng(seed)
    half = random.standard_normal((d, d))
    shifts = random.uniform(-3, 3, count)
    return half + half.T, shifts, random.standard_normal((count, d))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_least_residuals(seed, steps):
    matrix, shifts, right = systems(seed)
    calls = []

    def apply(rows):
        calls.append(rows)
        return rows @ matrix - shifts[:, None] * rows

    found = minres(apply, right, steps)
    assert len(calls) == steps
    for shift, side, solution in zip(shifts, right, found):
        shifted = matrix - shift * np.eye(len(matrix))
        krylov = [side]
        for _ in range(steps - 1):
            krylov.append(shifted @ krylov[-1] / np.linalg.norm(krylov[-1]))
        basis = np.linalg.qr(np.array(krylov).T)[0]
        best = basis @ np.linalg.lstsq(shifted @ basis, side, rcond=None)[0]
        assert np.abs(solution - best).max() <= 1e-8 * np.abs(best).max()


@pytest.mark.parametrize("seed", range(3))
def test_all_steps_solve(seed):
    matrix, shifts, right = systems(seed, d=12)
    right[1] = 0  # stays zero
    found = minres(lambda rows: rows @ matrix - shifts[:, None] * rows, right, 12)
    for shift, side, solution in zip(shifts, right, found):
        exact = np.linalg.solve(matrix - shift * np.eye(12), side)
        assert np.abs(solution - exact).max() <= 1e-6 * max(np.abs(exact).max(), 1e-300)
    assert not found[1].any()


def test_scale_does_not_matter():
    matrix, shifts, right = systems(0)

    def solved(factor):
        return minres(lambda rows: rows @ matrix - shifts[:, None] * rows, right * factor, 4)

    assert np.allclose(solved(1e-150) * 1e150, solved(1.0), rtol=1e-10, atol=0)
