"""Products of a sum of two matrices with a few vectors, against numpy in float64."""

import numpy as np
import pytest

from hpcpca.kernels import low_rank

pytestmark = pytest.mark.once

SHAPES = [(1, 1), (3, 5), (300, 7), (5, 4099), (2, 8200), (0, 4)]
UNITS = {np.float32: 1e-6, np.float64: 1e-15}


@pytest.fixture(params=UNITS, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def case(shape, r, dtype, owes):
    """G, E (or none), their sum in float64, and vectors of both sides."""
    rng = np.random.default_rng([*shape, r])
    g, e = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    e = e if owes else np.empty((0, 0), dtype)
    p, q = (rng.standard_normal((r, length)).astype(dtype) for length in shape)
    return g, e, g.astype(float) + (e if owes else 0), p, q


def near(found, expected, unit, terms):
    """Whether sums of so many terms agree to rounding."""
    size = np.abs(expected).max(initial=0.0) + 1
    return np.abs(found - expected).max(initial=0.0) <= 4 * unit * np.sqrt(terms) * size


@pytest.mark.parametrize("owes", [False, True], ids=["alone", "sum"])
@pytest.mark.parametrize("r", [1, 2, 3, 4, 7, 8])
def test_products(dtype, r, owes):
    for shape in SHAPES:
        g, e, total, p, q = case(shape, r, dtype, owes)
        right, left = np.full((r, shape[0]), np.nan, dtype), np.full((r, shape[1]), np.nan, dtype)
        low_rank.right_product(g, e, q, right)
        low_rank.left_product(g, e, p, left)
        assert near(right, q.astype(float) @ total.T, UNITS[dtype], shape[1])
        assert near(left, p.astype(float) @ total, UNITS[dtype], shape[0] + 1)


@pytest.mark.parametrize("alike", [True, False], ids=["mean", "own"])
@pytest.mark.parametrize("r", [1, 5])
def test_what_is_kept(dtype, r, alike):
    """The mean is pᵀq, and E what is left of the sum, to the bit; also where the mean replaces
    G.
    """
    for shape in SHAPES:
        g, e, total, p, q = case(shape, r, dtype, True)
        own = q[:0] if alike else q[::-1].copy()
        sent = p.T.astype(float) @ (q if alike else own)
        out, inside, owed, before = np.empty_like(g), g.copy(), e.copy(), g + e
        low_rank.settle(g, e, p, q, own, out)
        low_rank.settle(inside, owed, p, q, own, inside)
        assert near(out, p.T.astype(float) @ q, UNITS[dtype], r)
        assert near(e, total - sent, UNITS[dtype], r)
        assert np.array_equal(out, inside) and np.array_equal(e, owed)
        assert not alike or np.array_equal(e, before - out)
        low_rank.expand(p, q, inside)
        assert near(inside, out, UNITS[dtype], r)


@pytest.mark.parametrize("scale", [1, 1e-30, 1e30])
def test_gram_schmidt(dtype, scale):
    """Rows become orthonormal in their order, to rounding, also nearly dependent ones; those that
    depend on others, and zeros, become zeros.
    """
    rng = np.random.default_rng(3)
    unit = float(np.finfo(dtype).eps)
    a, b, c = rng.standard_normal((3, 50))
    rows = scale * np.array([a, a + 100 * unit * b, 0 * a, 3 * a, c, b + c])
    rows = rows.astype(dtype)
    expected = np.linalg.qr(rows[[0, 4]].astype(float).T)[0].T
    low_rank.gram_schmidt(rows, 8 * unit)
    found = rows.astype(float)
    assert np.allclose(found @ found.T, np.diag([1, 1, 0, 0, 1, 1]), atol=8 * unit)
    assert np.abs(np.abs(expected[0] @ found[0]) - 1) < 8 * unit
    span = found[[0, 1, 4]]
    assert np.abs(c - (c @ span.T) @ span).max() < 1e3 * unit
