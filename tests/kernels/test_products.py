"""Products with a panel of both sets of kernels, against numpy in double precision."""

import numpy as np
import pytest
from test_kernels import UNIT

from hpcpca.kernels.tiles import Tiles

pytestmark = pytest.mark.once


@pytest.mark.parametrize("m", [1, 2, 4, 16])
def test_long_sums_in_single(kernels, m):
    """Equal terms, summed over 20,000 rows of few columns: errors grow with the length of sums
    in float32, so those are short.
    """
    tile = (np.random.default_rng(m).random((20_000, 24)) < 0.1).astype(np.float32) - np.float32(
        0.1
    )
    tile[:, 0] *= 3
    panel = np.linalg.svd(tile, full_matrices=False)[2][:m]
    wide = tile.astype(np.float64)
    expected, found = (wide @ panel.T.astype(np.float64)).T @ wide, np.zeros((m, 24))
    kernels.gram_product(tile, panel, found)
    assert np.linalg.norm(found - expected, 2) <= 1e-6 * np.linalg.norm(
        expected[0]
    )  # 2e-5 with one sum of 20,000 terms


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 8, 33, 34, 48, 49, 64])
@pytest.mark.parametrize(
    "r, d",
    [
        (0, 50),
        (1, 1),
        (1, 50),
        (2, 50),
        (3, 50),
        (4, 50),
        (7, 50),
        (64, 50),
        (66, 2051),
        (5, 4097),
        (519, 9),
        (267, 6500),
    ],
)
def test_gram_product(kernels, dtype, m, r, d):
    """out += Bᵀ(BV), within the rounding bound (d + r + 3)·u·|B|ᵀ(|B||V|) of any order of
    summation.
    """
    rng = np.random.default_rng([m, r, d])
    tile, panel = (
        rng.standard_normal((r, d)).astype(dtype),
        rng.standard_normal((m, d)).astype(dtype),
    )
    before = rng.standard_normal((m, d))
    out = before.copy()
    kernels.gram_product(tile, panel, out)
    wide, vectors = tile.astype(np.float64), panel.astype(np.float64)
    exact = (
        before + (vectors @ wide.T) @ wide
    )  # for float64 as inexact as what is tested: its error is within the same bound
    terms = (np.abs(vectors) @ np.abs(wide).T) @ np.abs(wide)
    bound = (2 if dtype == np.float64 else 1.01) * (d + r + 3) * UNIT[
        np.dtype(dtype)
    ] * terms + 2.0**-52 * np.abs(before)
    assert (np.abs(out - exact) <= bound).all()


@pytest.mark.parametrize("work", [np.float32, np.float64])
@pytest.mark.parametrize("m", [1, 2, 15])
@pytest.mark.parametrize("r, d", [(600, 30), (300, 9000)])
def test_products_of_read_only_maps(kernels, work, m, r, d):
    """All products of ``Tiles``, of several tiles each where rows are long, add up to the whole."""
    rng = np.random.default_rng([m, d])
    rows = rng.integers(0, 200, (r, d), np.uint8)
    rows.flags.writeable = False
    shift, panel = np.full(d, 99.5, work), rng.standard_normal((m, d)).astype(work)
    tiles, out = Tiles(rows, shift, 0.5, work, kernels), np.zeros((m, d))
    buffer = tiles.buffer()
    for number in range(tiles.products):
        tiles.add_product(number, buffer, panel, out)
    wide = (rows - 99.5) * 0.5
    expected = (panel.astype(np.float64) @ wide.T) @ wide
    assert np.linalg.norm(out - expected) <= 50 * UNIT[np.dtype(work)] * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
@pytest.mark.parametrize("has_roots", [False, True])
@pytest.mark.parametrize("m, d", [(1, 30), (5, 30), (5, 9000)])
def test_sums_that_come_with_products(kernels, dtype, has_roots, m, d):
    """They are those that are taken without, and the products are the same."""
    rng = np.random.default_rng([m, d])
    rows, panel = rng.integers(0, 200, (300, d)).astype(dtype), rng.standard_normal((m, d))
    roots = rng.random(300) if has_roots else None
    tiles = Tiles(rows, np.full(d, 99.5, "f4"), 0.5, np.float32, kernels, roots=roots)
    buffer, vectors = tiles.buffer(), tiles.vectors(panel)
    alone, out, sums, expected = (
        np.zeros((m, d)),
        np.zeros((m, d)),
        np.ones((2, d)),
        np.ones((2, d)),
    )
    for number in range(tiles.products):
        tiles.add_product(number, buffer, vectors, alone)
        tiles.add_product(number, buffer, vectors, out, sums)
    for number in range(len(tiles)):
        tiles.add_sums_of(number, tiles.tile(number, buffer), expected)
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-9)
    assert np.linalg.norm(out - alone) <= 1e-6 * np.linalg.norm(alone)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_products_of_what_is_not_finite_are_not(kernels, bad):
    rows, panel = np.ones((20, 60), np.float32), np.ones((6, 60), np.float32)
    rows[17, 55] = bad
    out, sums = np.zeros(panel.shape), np.zeros((2, 60))
    kernels.gram_product(rows, panel, out, sums)
    assert not np.isfinite(out[:, 55]).any() and not np.isfinite(sums[:, 55]).any()


def test_a_panel_is_packed_once_only_if_it_cannot_change(kernels):
    """Products with a panel in memory that is written to between them, and with one that is not."""
    rng = np.random.default_rng(4)
    rows, panel = rng.standard_normal((40, 60)), rng.standard_normal((6, 60))
    for panel.flags.writeable in True, False, True:
        first, second = np.zeros((6, 60)), np.zeros((6, 60))
        kernels.gram_product(rows, panel, first)
        if panel.flags.writeable:
            panel *= 2
        kernels.gram_product(rows, panel, second)
        times = 2 if panel.flags.writeable else 1
        np.testing.assert_allclose(second, times * first, rtol=1e-13)
        other = np.ones((6, 60))
        other.flags.writeable = False
        kernels.gram_product(rows, other, np.zeros((6, 60)))
