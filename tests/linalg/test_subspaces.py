"""Principal angles and matched vectors: as scipy and constructions have them."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from hpcpca.linalg.subspaces import agreement

pytestmark = pytest.mark.once


def of(a, b, step=7):
    return agreement(
        lambda: ((a[:, i : i + step], b[:, i : i + step]) for i in range(0, a.shape[1], step))
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 6)])
def test_angles_of_any_spans(seed, shape):
    """Of rows that are not orthonormal, in any number."""
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((count, 40)) for count in shape)
    b[0] += 5 * a[0]
    expected = np.sort(subspace_angles(a.T, b.T))
    np.testing.assert_allclose(of(a, b).angles, expected, rtol=1e-9)


@pytest.mark.parametrize("angle", [1e-2, 1e-5, 1e-9, 1e-12, 0.0])
def test_small_angles(angle):
    """Their cosines are 1 in floating point."""
    frame = np.linalg.qr(np.random.default_rng(1).standard_normal((50, 6)))[0].T
    a, b = frame[:3], frame[:3].copy()
    b[1] = np.cos(angle) * frame[1] + np.sin(angle) * frame[4]
    found = of(a, b[[2, 1, 0]])
    assert np.isclose(found.angles[-1], angle, rtol=1e-4, atol=1e-15)
    assert found.angles[-2] < 1e-14 + 1e-7 * angle
    np.testing.assert_array_equal(found.pairs, [[0, 2], [1, 1], [2, 0]])
    assert np.isclose(found.apart[1], angle, rtol=1e-4, atol=1e-15)


def test_signs_order_and_lengths():
    """Turned, exchanged and stretched vectors are found again; one is left over."""
    a = np.linalg.qr(np.random.default_rng(2).standard_normal((30, 4)))[0].T
    b = np.array([-3.0, 1, 2])[:, None] * a[[2, 3, 0]]
    found = of(a, b)
    np.testing.assert_array_equal(found.pairs, [[0, 2], [2, 0], [3, 1]])
    np.testing.assert_array_equal(found.signs, [1, -1, 1])
    assert found.apart.max() < 1e-7 and found.angles.max() < 1e-14
    assert np.isclose(of(a[:1], a[1:2]).angles[0], np.pi / 2)
