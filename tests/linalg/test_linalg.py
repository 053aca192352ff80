"""Small dense numerics: identities on prescribed spectra, and bounds that have to hold for the
true angles.
"""

import numpy as np
import pytest
import spectra

from hpcpca.linalg.angles import separation
from hpcpca.linalg.orth import (
    DONE,
    RAW,
    TILE,
    combine,
    orthonormal_rows,
    orthonormalising,
    orthonormality_error,
    project_off,
    whitening,
    with_positive_peak,
)
from hpcpca.linalg.ritz import rayleigh_ritz, thick_restart

pytestmark = pytest.mark.once


U = 2.0**-53
SEEDS = [0, 1, 2]


def normal(seed, *shape):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("outside", [1.0, 1e-6, 1e-12])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_projected_off_is_orthogonal_however_little_is_left(seed, outside):
    basis = spectra.rotation(60, seed)[:20]
    rows = unit(normal(seed, 5, 20)) @ basis + outside * unit(normal(seed, 5, 60))
    rest = project_off(rows.copy(), basis)
    # twice is enough: the second projection leaves only its own rounding, N·u of what is left
    assert np.abs(unit(rest) @ basis.T).max() <= 60 * U
    assert np.linalg.norm(rest, axis=1).max() <= outside * (1 + 1e-3) + 60 * U


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("seed", SEEDS)
def test_whitening_makes_rows_orthonormal(seed, condition):
    rows = (spectra.rotation(7, seed) * np.geomspace(1, 1 / condition, 7)) @ spectra.rotation(
        50, seed
    )[:7]
    white = whitening(rows @ rows.T) @ rows
    assert white.shape == rows.shape
    assert (
        orthonormality_error(white) <= 50 * U * condition**2
    )  # rounding of ZZᵀ, relative to its smallest eigenvalue
    assert (
        orthonormality_error(orthonormal_rows(rows)) <= 50 * U
    )  # the second time the condition is 1


@pytest.mark.parametrize("seed", SEEDS)
def test_dependent_rows_are_dropped_and_their_span_is_kept(seed):
    independent = unit(normal(seed, 4, 30))
    rows = np.vstack(
        [independent, independent[0] - independent[1], np.zeros(30), 3 * independent[2]]
    )
    made = orthonormal_rows(rows)
    assert made.shape == (4, 30) and orthonormality_error(made) <= 30 * 4 * U
    for row in independent:
        assert spectra.sine(row, made) <= 1e-13  # rounding over the condition of four random rows
    assert orthonormal_rows(np.zeros((3, 30))).shape == (0, 30)
    assert orthonormal_rows(np.zeros((0, 30))).shape == (0, 30)


def made_orthonormal(basis, rows):
    """What ``orthonormalising`` makes of rows, and how many sweeps it takes."""
    stage, sweeps = RAW, 0
    while stage != DONE:
        everything = np.vstack([basis, rows])
        coefficients, stage = orthonormalising(rows @ everything.T, stage)
        rows, sweeps = coefficients @ everything, sweeps + 1
    return rows, sweeps


@pytest.mark.parametrize("condition, outside, most", [(1, 1, 1), (1e4, 1, 2), (1e4, 1e-6, 3)])
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_become_orthonormal_to_a_basis_in_few_sweeps(seed, condition, outside, most):
    """However little of them is outside of the basis, how dependent that is, how short they are;
    no more of the space is theirs than before.
    """
    space = spectra.rotation(60, seed)
    basis, free = space[:20], space[20:25]
    independent = spectra.rotation(5, seed) * np.geomspace(1, 1 / condition, 5)
    inside = np.sqrt(1 - outside**2) * unit(normal(seed, 5, 20)) @ basis
    lengths = np.geomspace(1, 1e-9, 5)[:, None]
    made, sweeps = made_orthonormal(basis, lengths * (inside + outside * independent @ free))
    assert sweeps == most
    assert made.shape == (5, 60) and orthonormality_error(np.vstack([basis, made])) <= 40 * U
    # rounding of the rows, amplified by what little of them is outside
    assert np.abs(made - made @ free.T @ free).max() <= 100 * U * condition / outside


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_basis_and_rows_have_already_is_left_out(seed):
    space = spectra.rotation(30, seed)
    basis, free = space[:10], space[10:13]
    rows = np.vstack([basis[:2], free, free[:1] - 2 * free[1:2] + basis[3], np.zeros((1, 30))])
    made, _ = made_orthonormal(basis, rows)
    assert len(made) == 3 and orthonormality_error(np.vstack([basis, made])) <= 40 * U
    assert made_orthonormal(basis, basis[3:5])[0].shape == (0, 30)
    assert made_orthonormal(basis[:0], np.zeros((2, 30)))[0].shape == (0, 30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_combined_in_place(dtype):
    width = 2 * TILE + 3
    rows, coefficients = normal(0, 7, width).astype(dtype), normal(1, 3, 7)
    expected = np.vstack([rows[:2], coefficients.astype(dtype) @ rows, rows[5:]])
    combine(coefficients, rows, 2)
    assert np.abs(rows - expected).max() <= 30 * np.finfo(dtype).eps


def test_orthonormality_error_by_hand():
    rows = np.eye(5)[:3]
    assert orthonormality_error(rows) == 0
    rows[1, 4] = 0.25
    assert orthonormality_error(rows) == 0.0625
    assert (
        orthonormality_error(rows[1:2], rows, first=1) == 0.0625
        and orthonormality_error(rows[1:2], rows, first=0) == 1.0625
    )
    assert orthonormality_error(np.zeros((0, 5))) == 0


def test_signs_make_the_largest_entry_positive():
    rows = np.array([[1.0, -3, 2], [-1, 0, 0.5], [0.1, 0.2, -0.1]])
    assert with_positive_peak(rows).tolist() == [-1, -1, 1]
    assert with_positive_peak(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    "values",
    [spectra.power_law(30), spectra.clusters(30), spectra.double(30), spectra.deficient(30, 5)],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_rayleigh_ritz_is_eigh_of_the_projection(values, seed):
    sigma, _ = spectra.covariance(values, seed)
    basis = spectra.rotation(30, seed + 10)[:12]
    found, coefficients = rayleigh_ritz(basis @ sigma @ basis.T, 4)
    expected = np.linalg.eigvalsh(basis @ sigma @ basis.T)[::-1]
    np.testing.assert_allclose(found, expected[:4], rtol=0, atol=30 * U)
    vectors = coefficients @ basis
    assert orthonormality_error(vectors) <= 30 * U
    # Galerkin: residuals are orthogonal to the basis; Cauchy: values are below the true ones
    assert np.abs((vectors @ sigma - found[:, None] * vectors) @ basis.T).max() <= 30 * U
    assert (found <= values[:4] + 30 * U).all()


@pytest.mark.parametrize("moved", [1.0, 1e-2, 1e-4, 1e-6, 1e-9, 0.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_thick_restart_keeps_both_rounds(seed, moved):
    """Some workers have converged (their coefficients moved by ``moved``), others have not; the
    basis has grown since.
    """
    now = spectra.rotation(40, seed)[:6]
    steps = np.array([1.0, 1.0, 0.1, moved, moved, moved])
    before = unit(now + steps[:, None] * unit(normal(seed, 6, 40)))[:, :30]
    kept = thick_restart(now, before)
    np.testing.assert_array_equal(kept[:6], now)
    # Q ← GQ happens at every restart of a run: what G lacks of orthonormality adds up, to stay
    # below 1e-10 after hundreds
    assert orthonormality_error(kept) <= 1e-13
    for row in unit(before):
        # what is dropped: less than 1e-7 of a row, or 1e-5 (the root of DROP) of the largest rest
        assert spectra.sine(np.pad(row, (0, 10)), kept) <= 2e-5
    assert len(kept) <= 12


# ---------------------------------------------------------------- angles

SPECTRA = [
    spectra.power_law(30),
    spectra.power_law(30, 0.5),
    spectra.exponential(30),
    spectra.clusters(30),
    spectra.double(30),
    spectra.deficient(30, 6),
]


def perturbed(values, seed, size, count):
    """Σ, its eigenvectors, and ``count`` orthonormal approximations with their Ritz values and
    relative residuals.
    """
    sigma, true = spectra.covariance(values, seed)
    near = np.linalg.qr((true + size * normal(seed, *true.shape)).T)[0].T[:count]
    found, coefficients = rayleigh_ritz(near @ sigma @ near.T, count)
    vectors = coefficients @ near
    residuals = np.linalg.norm(vectors @ sigma - found[:, None] * vectors, axis=1) / found[0]
    return true, vectors, found, residuals


@pytest.mark.parametrize("guards", [1, 4])
@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1e-2])
@pytest.mark.parametrize("values", SPECTRA)
@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_hold_for_the_true_angles(values, seed, size, guards):
    k = 5
    true, vectors, found, residuals = perturbed(values, seed, size, k + guards)
    result = separation(found[:k], residuals[:k], found[k:], residuals[k:], 30, d=30)
    for number in range(k):
        same = (
            np.abs(values - values[number]) <= 1e-12
        )  # of a multiple eigenvalue: the angle to its whole subspace
        assert spectra.sine(vectors[number], true[same]) <= result.bounds[number] + 1e-14
        if result.bounds[number] < 1:  # then it is one vector, and this one
            assert (
                spectra.sine(vectors[number], true[number : number + 1])
                <= result.bounds[number] + 1e-14
            )
    for (first, stop, cut), bound in zip(result.clusters, result.cluster_bounds):
        if not cut:
            inside = np.linalg.norm(
                vectors[first:stop] - (vectors[first:stop] @ true[first:stop].T) @ true[first:stop],
                2,
            )
            assert inside <= bound + 1e-14


def clusters_of(values, guards, residual=1e-8, limit=100, d=100):
    found = separation(
        np.array(values),
        np.full(len(values), residual),
        np.array(guards),
        np.full(len(guards), residual),
        limit,
        d=d,
    )
    return found, found.clusters.tolist()


@pytest.mark.parametrize(
    "values, guards, expected",
    [
        ([5.0, 3, 2], [1.0], []),
        ([5.0, 3, 3], [1.0], [[1, 3, 0]]),
        ([5.0, 5, 3, 3], [1.0], [[0, 2, 0], [2, 4, 0]]),
        ([5.0, 3, 3], [3.0], [[1, 3, 1]]),
        ([5.0, 3, 2], [2.0, 1], [[2, 3, 1]]),
        ([4.0, 4, 4], [4.0], [[0, 3, 1]]),
        ([4.0, 4 - 1e-9, 2], [1.0], [[0, 2, 0]]),
        ([4.0, 4 - 1e-4, 2], [1.0], []),
    ],
)
def test_unresolved_components_are_clusters_with_their_neighbours(values, guards, expected):
    found, clusters = clusters_of(values, guards)
    assert clusters == expected
    for (first, stop, cut), bound in zip(clusters, found.cluster_bounds):
        assert (found.bounds[first:stop] > 0.01).all()
        # of a cluster that is cut off, which part is held is arbitrary; others are bound by the gap
        # around them
        assert bound == 1 if cut else bound <= np.sqrt(stop - first) * 1e-8 * values[0] / (1 - 1e-7)


def test_the_last_component_is_unknown_without_a_guard_and_only_then():
    assert np.isnan(clusters_of([3.0, 2, 1], [])[0].bounds).tolist() == [False, False, True]
    assert not np.isnan(clusters_of([3.0, 2, 1], [0.5])[0].bounds).any()
    assert not np.isnan(clusters_of([3.0, 2, 1], [], limit=3, d=3)[0].bounds).any()


@pytest.mark.parametrize("values", [[5.0, 3, 3], [3.0, 3, 3], [5.0, 5]])
def test_a_cluster_that_may_go_on_past_the_last_component_is_not_bounded(values):
    """Without a guard nobody knows whether the next eigenvalue belongs to it: NaN or 1, never
    less.
    """
    found, clusters = clusters_of(values, [])
    assert clusters[-1][1] == len(values)
    assert not found.cluster_bounds[-1] < 1


def test_all_of_a_space_is_known_exactly():
    found, clusters = clusters_of([3.0, 3.0], [], limit=2, d=2)
    assert clusters == [[0, 2, 0]] and found.cluster_bounds.tolist() == [0]


def test_past_the_rank_of_the_data_eigenvalues_are_zero():
    """n − 1 = 3 eigenvalues of d = 10: the last gap is that to zero."""
    found, _ = clusters_of([3.0, 2, 1], [], limit=3, d=10)
    np.testing.assert_allclose(found.gaps, [1 - 3e-8, 1 - 3e-8, 1 - 3e-8], rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_what_vectors_and_images_say_of_a_symmetric_matrix(seed):
    """Ritz values and vectors of Σ in span V; the next vectors orthonormal, power steps where η
    is not limited; their images those of the least symmetric matrix that maps V to S, written
    out, for images of Σ and for noisy ones.
    """
    from hpcpca.linalg.secant import ritz_and_next

    rng, d, m = np.random.default_rng(seed), 40, 5
    sigma = spectra.covariance(spectra.power_law(d, 0.5), seed)[0]
    vectors = rng.standard_normal((m, d))
    for images in (vectors @ sigma, vectors @ sigma + 0.1 * rng.standard_normal((m, d))):
        for longest in (None, 0.3):
            both = np.vstack([vectors, images])
            found = ritz_and_next(both @ both.T, longest)
            values, axes = np.linalg.eigh(vectors @ vectors.T)
            whiten = axes / np.sqrt(values) @ axes.T
            q, s = whiten @ vectors, whiten @ images
            np.testing.assert_allclose(
                found.values, np.linalg.eigvalsh((q @ s.T + s @ q.T) / 2)[::-1], atol=1e-12
            )
            ritz, of_ritz = found.rotation @ vectors, found.rotation @ images
            np.testing.assert_allclose(ritz @ ritz.T, np.eye(m), atol=1e-11)
            eta = np.minimum(1 / found.values, np.inf if longest is None else longest)[:, None]
            moved = ritz + eta * (of_ritz - (of_ritz @ ritz.T) @ ritz)
            following = found.vectors @ both
            np.testing.assert_allclose(following @ following.T, np.eye(m), atol=1e-11)
            assert np.linalg.norm(
                moved - (moved @ following.T) @ following
            ) <= 1e-10 * np.linalg.norm(moved)
            symmetric = (q @ s.T + s @ q.T) / 2
            least = q.T @ s + s.T @ q - q.T @ symmetric @ q
            if longest is None and np.allclose(images, vectors @ sigma):
                np.testing.assert_allclose(q @ least, s, atol=1e-11)
            np.testing.assert_allclose(found.images @ both, following @ least, atol=1e-10)
