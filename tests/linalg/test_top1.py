"""Top1 solvers against naive loops over one vector at a time."""

import numpy as np
import pytest
import spectra

from hpcpca.linalg.top1 import SOLVERS, Hints, chebyshev, hebb, lanczos, momentum, power

pytestmark = pytest.mark.once


SEEDS = [0, 1, 2]


class Counted:
    """r symmetric operators, one for each row, and how often they were applied."""

    def __init__(self, matrices):
        self.matrices, self.calls = np.array(matrices), 0

    def __call__(self, rows):
        self.calls += 1
        return np.einsum("rd,rde->re", rows, self.matrices)


def problem(values, seed, rows=3):
    """Operators Σ_k deflated by 0, 1, 2 … exact superiors, and unit start vectors."""
    sigma, true = spectra.covariance(values, seed)
    matrices = [sigma - (true[:k].T * values[:k]) @ true[:k] for k in range(rows)]
    start = np.random.default_rng(seed).standard_normal((rows, len(values)))
    return Counted(matrices), start / np.linalg.norm(start, axis=1, keepdims=True)


def hints(start, **given):
    """What solvers are told, with a memory of their own."""
    memory = {}
    given = {"step": np.full(len(start), 0.5), "upper": np.full(len(start), 0.1)} | given
    return Hints(
        remember=lambda name, width: memory.setdefault(name, np.zeros((len(start), width))), **given
    )


def solve(solver, apply, start, steps, floor=0.0, told=None):
    images = np.einsum("rd,rde->re", start, apply.matrices)
    found = solver(apply, start, images, steps, told or hints(start, floor=floor))
    assert apply.calls == steps - 1  # collective: every solver calls as often on all ranks
    return found


@pytest.mark.parametrize(
    "values",
    [spectra.power_law(25), spectra.exponential(25), spectra.clusters(25), spectra.double(25)],
)
@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_power(values, steps, seed):
    apply, start = problem(values, seed)
    found = solve(power, apply, start, steps)
    for row, matrix, vector in zip(found, apply.matrices, start):
        for _ in range(steps):
            vector = matrix @ vector / np.linalg.norm(matrix @ vector)
        np.testing.assert_allclose(
            row, vector, atol=25 * 2.0**-52 * steps * 10
        )  # ‖Σ_k v‖ of a random v is over a tenth of ‖Σ_k‖ here


@pytest.mark.parametrize(
    "values",
    [spectra.power_law(25), spectra.exponential(25), spectra.clusters(25), spectra.double(25)],
)
@pytest.mark.parametrize("steps", [1, 2, 4, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_lanczos(values, steps, seed):
    """Σ_k times the largest Ritz vector of span{v, Σ_k v, …}, up to sign; the span from the
    normalised power sequence, by SVD-free QR.
    """
    apply, start = problem(values, seed)
    found = solve(lanczos, apply, start, steps)
    for row, matrix, vector in zip(found, apply.matrices, start):
        krylov = [vector]
        for _ in range(steps - 1):  # Arnoldi with Householder QR of the whole sequence each time
            basis = np.linalg.qr(np.array(krylov).T)[0]
            krylov.append(matrix @ basis[:, -1])
        basis = np.linalg.qr(np.array(krylov).T)[0]
        ritz = basis @ np.linalg.eigh(basis.T @ matrix @ basis)[1][:, -1]
        expected = matrix @ ritz / np.linalg.norm(matrix @ ritz)
        assert abs(np.linalg.norm(row) - 1) <= 1e-15 * 25
        # eigenvectors of the projection are as good as its gap: over 1e-4 here, but for the
        # clusters' Krylov gaps
        assert np.linalg.norm(row - np.sign(row @ expected) * expected) <= 1e-9


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_vector_without_an_image_vanishes(name):
    sigma, true = spectra.covariance(spectra.deficient(20, 4), 0)
    apply = Counted([sigma, sigma])
    found = solve(SOLVERS[name], apply, np.array([true[10], true[0]]), 3, floor=1e-13)
    assert not found[0].any()
    np.testing.assert_allclose(np.abs(found[1] @ true[0]), 1, rtol=1e-14)


@pytest.mark.parametrize("steps", [2, 5])
def test_lanczos_stops_at_an_invariant_subspace(steps):
    """Two directions in the start vector: from the third step on nothing is left, and the answer
    is exact.
    """
    sigma, true = spectra.covariance(spectra.power_law(20), 0)
    apply = Counted([sigma])
    found = solve(lanczos, apply, (true[2:3] + true[5:6]) / np.sqrt(2), steps, floor=1e-13)
    assert spectra.sine(found[0], true[2:3]) <= 1e-13


def test_lanczos_keeps_to_its_krylov_space_where_the_operator_is_negative():
    """Hotelling's deflation by poor superiors makes Σ_k indefinite; exhausted directions must
    not win with a Ritz value of zero.
    """
    matrix = -np.diag([1.0, 2.0])
    found = solve(lanczos, Counted([matrix]), np.array([[0.6, 0.8]]), 4)
    np.testing.assert_allclose(np.abs(found[0]), [1, 0], atol=1e-14)


@pytest.mark.parametrize("values", [spectra.power_law(25), spectra.clusters(25)])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_hebb(values, steps, seed):
    apply, start = problem(values, seed)
    eta = np.array([0.5, 2.0, 100.0])
    found = solve(hebb, apply, start, steps, told=hints(start, step=eta))
    for row, matrix, vector, step in zip(found, apply.matrices, start, eta):
        for _ in range(steps):
            vector = vector + step * (matrix @ vector)
            vector /= np.linalg.norm(vector)
        np.testing.assert_allclose(row, vector, atol=1e-13)


@pytest.mark.parametrize("split", [[8], [3, 5], [1, 1, 1, 5], [2, 2, 2, 2]])
@pytest.mark.parametrize("seed", SEEDS)
def test_momentum_goes_on_over_rounds(split, seed):
    """However the steps are divided into rounds, they are those of one recurrence, written out
    for one vector at a time.
    """
    apply, start = problem(spectra.power_law(25), seed)
    told, found = hints(start), start
    for steps in split:
        apply.calls = 0
        found = solve(momentum, apply, found, steps, told=told)
    for row, matrix, vector in zip(found, apply.matrices, start):
        before, seen, beta = 0 * vector, None, 0.0
        for _ in range(sum(split)):
            image = matrix @ vector
            value = vector @ image
            residual = np.linalg.norm(image - value * vector)
            if seen is not None:
                rho = min(residual / seen, 1)
                beta = (value * 2 * rho / (1 + rho**2)) ** 2 / 4
            seen = residual
            new = image - beta * before
            before, vector = vector / np.linalg.norm(new), new / np.linalg.norm(new)
        np.testing.assert_allclose(row, vector, atol=1e-12)


def test_momentum_is_ahead_of_power():
    """λ_1/λ_0 = 0.98: power steps shrink the error by 0.98 each, momentum by about (1 − sqrt(1 −
    0.98²))/0.98 = 0.82 once it has found β.
    """
    values = np.concatenate([[1.0, 0.98], spectra.exponential(23, 0.9) * 0.9])
    sigma, true = spectra.covariance(values, 0)
    start = np.random.default_rng(0).standard_normal((1, 25))
    start /= np.linalg.norm(start)
    errors = [
        spectra.sine(solve(solver, Counted([sigma]), start, 200)[0], true[:1])
        for solver in (power, momentum)
    ]
    assert errors[0] > 1e-3 and errors[1] < 1e-7


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
@pytest.mark.parametrize("upper", [0.0, 0.3, 0.9, 5.0])
def test_chebyshev(steps, upper):
    """The polynomial itself, on eigenvalues and coefficients: T_n((λ − c)/c) on the interval [0,
    2c] that is kept from the eigenvalue.
    """
    values = spectra.power_law(25)
    sigma, true = spectra.covariance(values, 1)
    start = np.random.default_rng(1).standard_normal((1, 25))
    start /= np.linalg.norm(start)
    found = solve(
        chebyshev, Counted([sigma]), start, steps, told=hints(start, upper=np.array([upper]))
    )
    quotient = (start @ sigma @ start.T)[0, 0]
    half = np.clip(upper, 0.01 * quotient, 0.98 * quotient) / 2
    expected = (
        np.polynomial.chebyshev.chebval((values - half) / half, [0] * steps + [1])
        * (true @ start[0])
    ) @ true
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-12)


def test_chebyshev_where_an_eigenvalue_looks_negative():
    """Hotelling's deflation by poor superiors: a vector of unit length comes out, not NaN."""
    found = solve(
        chebyshev,
        Counted([-np.diag([1.0, 2.0]), np.zeros((2, 2))]),
        np.array([[0.6, 0.8], [1, 0]]),
        4,
    )
    assert abs(np.linalg.norm(found[0]) - 1) < 1e-12 and not found[1].any()


def test_steps_on_mini_batches():
    """Each schedule, for η given in the data's units (λ = scaled · 2^exponent) and scale-free;
    adaptive ones take η at most.
    """
    from hpcpca.methods.step_size import on_batches

    values, numbers, clock, exponent = (
        np.array([8.0, 4.0, 2.0, 1.0]),
        np.array([0, 2]),
        np.array([5.0, 50.0]),
        3,
    )
    for eta, base in ((0.25, np.full(2, 2.0)), (None, 10 / values[numbers])):
        for schedule, done, factor in (
            ("constant", 57, 1),
            ("1/l", 57, 1 / 58),
            ("harmonic", 57, 1 / 6),
            ("harmonic", 9, 1),
        ):
            np.testing.assert_allclose(
                on_batches(eta, schedule)(values, numbers, clock, done, exponent), base * factor
            )
    gaps = np.array([(8 - 2) / 2, (4 - 1) / 2])  # of 0 to 2, of 1 to 3
    best = 2 / (gaps * clock)
    np.testing.assert_allclose(
        on_batches(None, "adaptive")(values, numbers, clock, 57, exponent), best
    )
    np.testing.assert_allclose(
        on_batches(0.01, "adaptive")(values, numbers, clock, 57, exponent), np.minimum(best, 0.08)
    )
