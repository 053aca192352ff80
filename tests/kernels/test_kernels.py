"""Both sets of kernels against numpy in extended precision, for every type that data can have."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcpca.kernels import kernels_for
from hpcpca.kernels.tiles import Tiles, tile_rows
from hpcpca.operators.centring import first_shift, work_type

pytestmark = pytest.mark.once


INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]
FLOATS = [np.float16, np.float32, np.float64]
UNIT = {np.dtype(t): np.finfo(t).eps / 2 for t in FLOATS}
# Every type is seconds of compiling. These, with whether the work is in double, have a signed and
# an unsigned type, and every branch of ``convert``: a shift in float32, in float64, an exact one.
TO_COMPILE = [
    (np.uint8, False),
    (np.int16, True),
    (np.uint64, False),
    (np.float16, False),
    (np.float16, True),
    (np.float32, False),
    (np.float64, False),
]


SETS = {name: importlib.import_module(f"hpcpca.kernels.{name}") for name in ("compiled", "plain")}


every_type = pytest.mark.parametrize(
    "name, dtype, double",
    [
        *(("plain", dtype, double) for dtype in INTEGERS + FLOATS for double in (False, True)),
        *(("compiled", dtype, double) for dtype, double in TO_COMPILE),
    ],
)


def random_rows(dtype, shape, seed=0):
    """Values over the whole range of an integer type; normal deviates of a float type."""
    rng = np.random.default_rng([seed, np.dtype(dtype).num])
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@every_type
def test_tiles_hold_deviations_from_the_shift(name, dtype, double, monkeypatch):
    """(y − c)·2^e with one rounding: at most half a unit in the last place of the work type."""
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_BYTES", 1)  # several tiles, the last one cut
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_ROWS", 8)
    rows, work = random_rows(dtype, (21, 7)), work_type(np.dtype(dtype), double)
    shift, scale = first_shift(rows[0], work), 2.0**-5
    tiles = Tiles(rows, shift, scale, work, SETS[name])
    buffer = tiles.buffer()
    found = np.vstack([tiles.tile(number, buffer).copy() for number in range(len(tiles))])
    assert len(tiles) == 3 and found.dtype == work
    exact = (rows.astype(np.longdouble) - shift.astype(np.longdouble)) * scale
    assert (np.abs(found - exact) <= UNIT[work] * np.abs(exact)).all()
    assert np.abs(found[0]).max() == 0


@settings(max_examples=200, deadline=None)  # the first ones are compiled
@given(
    data=st.data(), dtype=st.sampled_from([np.int64, np.uint64]), name=st.sampled_from(sorted(SETS))
)
def test_differences_of_64_bit_integers_are_exact_before_rounding(data, dtype, name):
    limits = np.iinfo(dtype)
    near = st.one_of(
        st.integers(limits.min, limits.max),
        st.sampled_from([limits.min, limits.max, 0, 1, 2**53 + 1, limits.max - 1]),
    )
    pairs = data.draw(st.lists(st.tuples(near, near), min_size=1, max_size=8))
    rows, shift = (np.array(side, dtype=dtype) for side in zip(*pairs))
    out = np.empty((1, len(pairs)))
    SETS[name].scaled_deviations(rows[None], shift, 1.0, out)
    assert out[0].tolist() == [
        float(x - c) for x, c in pairs
    ]  # Python's integers are exact, and float() rounds once


def test_tiles_of_deviations_are_views(kernels):
    rows = random_rows(np.float64, (10, 4))
    tiles = Tiles(rows, None, 1, np.float64, kernels)
    assert tiles.buffer() is None and np.shares_memory(tiles.tile(0, None), rows)


def test_a_subset_of_rows_has_their_deviations(kernels):
    rows, numbers = random_rows(np.uint8, (30, 5)), np.array([3, 4, 29])
    tiles = Tiles(rows, rows[0].astype(np.float32), 0.5, np.float32, kernels).subset(numbers)
    expected = (rows[numbers].astype(np.float32) - rows[0].astype(np.float32)) / 2
    np.testing.assert_array_equal(tiles.tile(0, tiles.buffer()), expected)


def test_tiles_fit_the_cache_unless_their_rows_are_long():
    assert 1 << 20 < tile_rows(1000, 4) * 4000 <= 2 << 20
    assert (
        tile_rows(50_000, 4) == 63
        and tile_rows(10**6, 8) * 8 * 10**6 <= 64 << 20
        and tile_rows(10**8, 8) == 1
    )


def measured(kernels, tiles):
    """Moments of float tiles one after the other."""
    count, mean, squares = 0, np.zeros(tiles[0].shape[1]), np.zeros(tiles[0].shape[1])
    for tile in tiles:
        count = kernels.accumulate(tile, count, mean, squares)
    return count, mean, squares


@pytest.mark.parametrize(
    "dtype, ratio",
    [(np.float32, 0), (np.float32, 1e3), (np.float64, 0), (np.float64, 1e3), (np.float64, 1e8)],
)
@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 300]])
def test_moments_equal_those_in_extended_precision(kernels, dtype, ratio, cuts):
    rows = (
        np.random.default_rng(3).standard_normal((500, 6)) * [1, 2, 3, 4, 5, 1e-3]
        + ratio * np.array([1, -2, 3, 4, 5, 1e-3])
    ).astype(dtype)
    rows[:, 3] = rows[0, 3]  # a constant column
    count, mean, squares = measured(kernels, np.split(rows, cuts))
    wide = rows.astype(np.longdouble)
    true_mean, n, u = wide.mean(axis=0), len(rows), 2.0**-53
    true_squares = ((wide - true_mean) ** 2).sum(axis=0)
    # Sums of n terms err by n·u of the terms' size. Errors e of the means of two parts change their
    # merged squares by at most
    # 2·weight·gap·e + weight·e², where weight ≤ n and weight·gap² ≤ the squares. (A sum of squares
    # less n·mean² would be off by all.)
    e = n * u * np.abs(wide).mean(axis=0)
    assert count == n and (np.abs(mean - true_mean) <= e).all()
    merged = 2 * (len(cuts) + 1) * (2 * np.sqrt(n * true_squares) * e + n * e**2)
    assert (np.abs(squares - true_squares) <= 2 * n * u * true_squares + merged).all()


def test_moments_merge_in_any_grouping(kernels):
    rows = np.random.default_rng(4).standard_normal((90, 5)) + 50
    parts = [measured(kernels, [part]) for part in np.split(rows, [10, 11])]
    count, mean, squares = 0, np.zeros(5), np.zeros(5)
    for part in [parts[2], (0, np.zeros(5), np.zeros(5)), parts[0], parts[1]]:
        count = kernels.merge(count, mean, squares, *part)
    assert count == 90
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=90 * 2**-53)
    np.testing.assert_allclose(
        squares, rows.var(axis=0) * 90, rtol=1e-12
    )  # 90·u·(mean/std)² = 2.5e-11 at worst, 1e-14 expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_columns(kernels, dtype):
    """Within n·u of the sums of magnitudes; sums of squares of float32 too are taken in float64."""
    tile = random_rows(dtype, (37, 9))
    tile[:, 2] *= np.sqrt(np.finfo(np.float32).max)  # squares that float32 does not have
    wide, before = tile.astype(np.longdouble), np.ones((2, 9))
    sums = before.copy()
    kernels.add_sums(tile, sums)
    bound = 40 * 2.0**-53
    assert (
        np.abs(sums[0] - before[0] - wide.sum(axis=0)) <= bound * (1 + np.abs(wide).sum(axis=0))
    ).all()
    assert (
        np.abs(sums[1] - before[1] - (wide**2).sum(axis=0)) <= bound * (1 + (wide**2).sum(axis=0))
    ).all()
    kernels.add_sums(tile[:0], sums := np.zeros((2, 9)))
    assert not sums.any()


@pytest.mark.parametrize("m, r", [(1, 1), (1, 5), (1, 530), (3, 9), (64, 9)])
@every_type
def test_shifted_gram_product(name, dtype, double, m, r):
    """The product of tiles, made on the way, is that of the deviations in extended precision: (d
    + r + 3)·u·|B|ᵀ(|B||V|).
    """
    rows, work = random_rows(dtype, (r, 13)), work_type(np.dtype(dtype), double)
    panel, scale = (
        np.random.default_rng(m).standard_normal((m, 13)).astype(work),
        np.exp2(-np.ceil(np.log2(np.abs(rows.astype(float)).max()))),
    )
    tiles = Tiles(rows, first_shift(rows[0], work), scale, work, SETS[name])
    out = np.ones((m, 13))
    assert tiles.products == 1
    tiles.add_product(0, tiles.buffer(), panel, out)
    wide = (rows.astype(np.longdouble) - rows[0].astype(np.longdouble)) * scale
    bound = (13 + r + 3) * UNIT[work] * (np.abs(panel) @ np.abs(wide).T) @ np.abs(wide) + 1e-15
    assert (
        len(tiles) == 1
        and (np.abs(out - 1 - (panel.astype(np.longdouble) @ wide.T) @ wide) <= bound).all()
    )


@pytest.mark.parametrize("m", [1, 4])
@pytest.mark.parametrize("d", [40, 2100])
@pytest.mark.parametrize("dtype, far", [(np.float32, 1e5), (np.float64, 1e12)])
def test_differences_are_taken_before_products(kernels, dtype, far, d, m):
    """Rows far from zero and near the shift: a product with the row less one with the shift
    would have no digit left.
    """
    deviations = np.random.default_rng(0).integers(-4, 5, (21, d))
    rows, panel = (
        (far + deviations).astype(dtype),
        np.random.default_rng(1).integers(-3, 4, (m, d)).astype(dtype),
    )
    tiles, out = Tiles(rows, np.full(d, far, dtype), 1.0, dtype, kernels), np.zeros((m, d))
    tiles.add_product(0, tiles.buffer(), panel, out)
    assert (out == (panel.astype(np.int64) @ deviations.T) @ deviations).all()


def test_every_float16_is_converted_exactly(kernels):
    """All finite bit patterns, zero, subnormal and negative ones too."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][None]
    for work in (np.float32, np.float64):
        out = np.empty(halves.shape, work)
        kernels.scaled_deviations(halves, np.zeros(halves.shape[1], work), work(1), out)
        assert (out == halves.astype(work)).all()


def test_small_jobs_do_not_compile(monkeypatch):
    """Those of some size take kernels that were compiled before."""
    types = [np.dtype(np.uint8), np.dtype(np.float32)]
    for warm, taken in (types, "compiled"), (types[1:], "plain"), ([], "plain"):
        monkeypatch.setattr(SETS["compiled"], "is_warm", lambda dtype, _: dtype in warm)
        assert kernels_for(10**8, types) is SETS[taken]
        assert kernels_for(1000, types) is SETS["plain"]
        assert kernels_for(10**12, types) is SETS["compiled"]
    assert all(callable(getattr(SETS["plain"], name)) for name in SETS["compiled"].__all__)


@pytest.mark.parametrize(
    "name, dtypes", [("plain", INTEGERS + FLOATS), ("compiled", [np.float16, np.uint64])]
)
def test_kernels_warm_up(name, dtypes):
    """All that a type needs is compiled, and then counts as warm."""
    for dtype in dtypes:
        SETS[name].warm_up(np.dtype(dtype))
        assert SETS[name].is_warm(np.dtype(dtype))
