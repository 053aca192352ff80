"""What superiors take away, against the formulas written out for one vector and one superior at
a time.
"""

import numpy as np
import pytest
import spectra

from hpcpca.linalg.deflation import DEFLATIONS, EigenGameAlpha, EigenGameMu, ordered_orthonormal

pytestmark = pytest.mark.once


D, M, R = 20, 5, 3


def problem(seed, quality):
    """Σ, superiors that are near its eigenvectors, or not, and r vectors with numbers of
    superiors of their own.
    """
    rng = np.random.default_rng(seed)
    sigma, true = spectra.covariance(spectra.power_law(D), seed)
    superiors = true[:M] + quality * rng.standard_normal((M, D))
    superiors /= np.linalg.norm(superiors, axis=1, keepdims=True)
    vectors = rng.standard_normal((R, D))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return sigma, superiors, vectors, rng.integers(0, M + 1, R)


def naive(name, sigma, superiors, vector):
    """g for one vector."""
    g = sigma @ vector
    for v in superiors:
        if name == "hotelling":
            g = g - (v @ sigma @ v) * v * (v @ vector)
        elif name == "eigengame-mu":
            g = g - (v @ sigma @ vector) * v
        elif name == "eigengame-alpha":
            g = g - (v @ sigma @ vector) / (v @ sigma @ v) * (sigma @ v)
    return g


RULES = {**DEFLATIONS, "eigengame-mu": EigenGameMu, "eigengame-alpha": EigenGameAlpha}


@pytest.mark.parametrize("name", ["hotelling", "eigengame-mu", "eigengame-alpha"])
@pytest.mark.parametrize("quality", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_rules(name, quality, seed):
    sigma, superiors, vectors, counts = problem(seed, quality)
    rule = RULES[name](
        superiors, np.einsum("kd,de,ke->k", superiors, sigma, superiors), superiors @ sigma
    )
    begun, images = rule.start(vectors.copy(), vectors @ sigma, counts)
    assert (begun == vectors).all()
    again = rule.apply(vectors @ sigma, vectors, counts)
    for vector, count, found, other in zip(vectors, counts, images, again):
        np.testing.assert_allclose(found, naive(name, sigma, superiors[:count], vector), atol=1e-13)
        assert (found == other).all()


@pytest.mark.parametrize("quality", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_projection(quality, seed):
    """(I − P)Σ(I − P), with P from QR of the superiors; the first step is taken from the
    projected vector, not from the image given.
    """
    sigma, superiors, vectors, counts = problem(seed, quality)
    rule = DEFLATIONS["projection"](superiors, None, superiors @ sigma)
    begun, images = rule.start(vectors, vectors @ sigma, counts)
    for vector, count, start, image in zip(vectors, counts, begun, images):
        basis = np.linalg.qr(superiors[:count].T)[0]
        off = np.eye(D) - basis @ basis.T
        expected = off @ vector / np.linalg.norm(off @ vector)
        np.testing.assert_allclose(start, expected, atol=1e-12)
        np.testing.assert_allclose(image, off @ sigma @ off @ expected, atol=1e-12)
        np.testing.assert_allclose(
            rule.apply((start @ sigma)[None], start[None], [count])[0],
            off @ sigma @ start,
            atol=1e-12,
        )


def test_projection_of_a_vector_that_is_a_superior():
    sigma, superiors, _, _ = problem(0, 0.3)
    begun, images = DEFLATIONS["projection"](superiors, None, superiors @ sigma).start(
        superiors[:1], superiors[:1] @ sigma, [3]
    )
    assert not begun.any() and not images.any()


def test_a_superior_without_variance_takes_nothing_from_the_game():
    """v_jᵀΣv_j = 0 must not be divided by."""
    sigma = np.diag([1.0, 0.5, 0.0])
    rule = EigenGameAlpha(np.eye(3)[2:], np.zeros(1), np.zeros((1, 3)))
    _, images = rule.start(np.eye(3)[:1], sigma[:1].copy(), [1])
    np.testing.assert_array_equal(images, sigma[:1])


@pytest.mark.parametrize("near", [1.0, 1e-3, 1e-5])
def test_ordered_orthonormal(near):
    """The first k rows of T·rows span the first k rows, whatever their condition; dependent ones
    become zero.
    """
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((M, D))
    rows[3] = rows[:3].sum(axis=0) + near * rng.standard_normal(D)
    made = ordered_orthonormal(rows) @ rows
    np.testing.assert_allclose(made @ made.T, np.eye(M), atol=1e-13 / near)
    for k in range(1, M + 1):
        basis = np.linalg.qr(rows[:k].T)[0]
        np.testing.assert_allclose(basis @ (basis.T @ made[:k].T), made[:k].T, atol=1e-12 / near)
    rows[3] = rows[:3].sum(axis=0)
    made = ordered_orthonormal(rows) @ rows
    np.testing.assert_allclose(made @ made.T, np.diag([1.0, 1, 1, 0, 1]), atol=1e-12)
