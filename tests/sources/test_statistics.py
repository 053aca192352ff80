"""Missing values, scaled and weighted columns, packed values: what is computed is what plain numpy
makes of the same rows.
"""

import h5py
import numpy as np
import pytest
from launch import batch, run
from sparse_files import write
from spectra import build, wrong

from hpcpca.errors import DataError
from hpcpca.operators.columns import ColumnMoments
from hpcpca.sources.block import SparseBlock
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source
from hpcpca.sources.weights import column_weights

pytestmark = pytest.mark.once

RNG = np.random.default_rng(17)
OPERATORS = ["gram", "in-memory", "streaming"]


def written(path, values, name="x", **attributes):
    with h5py.File(path, "a") as file:
        file[name] = values
        file[name].attrs.update(attributes)
    return path


def leading(rows, count):
    """Leading eigenpairs of the covariance of rows: (count) and (count, d)."""
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    return values[::-1][:count], vectors.T[::-1][:count]


def check(out, rows, count=3, accuracy=1e-9):
    """A result is that of ``rows``, as far as eigenpairs and mean go."""
    values, vectors = leading(rows, count)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["explained_variance"], values, rtol=accuracy)
        found = file["components"][...]
        signs = np.sign((found * vectors).sum(axis=1))[:, None]
        np.testing.assert_allclose(found, signs * vectors, atol=100 * accuracy)
        np.testing.assert_allclose(
            file["mean"], rows.mean(axis=0), atol=accuracy * np.abs(rows).max()
        )


def stored(tile):
    """A tile as a ``SparseBlock``: zeros are not stored."""
    row, column = np.nonzero(tile)
    ends = np.searchsorted(row, np.arange(len(tile) + 1))
    return SparseBlock(tile[row, column], column, ends, 0)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_moments(ranks, is_sparse):
    """Of the values that are there, tile by tile and over ranks; whatever the means."""
    rows = np.array([0, 1e6, -3, 0, 0, 0]) + RNG.standard_normal((200, 6))
    rows[RNG.random((200, 6)) < 0.2] = np.nan
    rows[:, 3], rows[:, 4] = np.nan, 7
    rows[RNG.random((200, 6)) < 0.3 * is_sparse] = 0
    made = [ColumnMoments(6) for _ in range(ranks)]
    for number, tile in enumerate(np.array_split(rows, 23)):
        if is_sparse:
            made[number % ranks].add_stored(stored(tile))
        else:
            made[number % ranks].add(tile)
    joint = np.sum([[e.counts, e.weights, e.weights * e.mean] for e in made], axis=0)
    squares = 0.0
    for each in made:
        each.merge_over_ranks(lambda array: joint.copy() if array.ndim == 2 else array)
        squares = squares + each.squares
    counts = (~np.isnan(rows)).sum(axis=0)
    np.testing.assert_array_equal(made[0].counts, counts)
    taken = counts > 0
    np.testing.assert_allclose(made[0].mean[taken], np.nanmean(rows[:, taken], axis=0), rtol=1e-13)
    expected = np.nanvar(rows[:, taken], axis=0) * counts[taken]
    np.testing.assert_allclose(squares[taken], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("how", ["mean", "drop-columns", "mean, scaled", "drop-columns, scaled"])
def test_missing_values(tmp_path, how, operator):
    """NaN and fill values; and rows that are read with a result later have the same columns, and
    the same means where they lack a value.
    """
    rows = RNG.standard_normal((150, 12)) * np.geomspace(5, 1, 12) + 3
    rows[4, 2], rows[9, 2], rows[0, 7], rows[149, 11] = np.nan, -99, np.nan, -99
    ranks = 3 if operator == "streaming" else 1
    data, out = written(tmp_path / "x.h5", rows, _FillValue=-99.0), tmp_path / "a.h5"
    nan, scaled = how.split(",")[0], ("--scale",) * how.endswith("scaled")
    words = ("--nan", nan, *scaled, "--operator", operator, "--tol", 1e-10, "-k", 3)
    begun = run(ranks, "fit", data, *words, "-o", out).ok()
    rows[rows == -99] = np.nan
    if nan == "mean":
        assert "4 missing values in 3 columns: their means" in begun.stderr
        filled = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
        columns = np.arange(12)
    else:
        assert "3 of 12 columns have missing values: left out" in begun.stderr
        columns = np.flatnonzero(~np.isnan(rows).any(axis=0))
        filled = rows[:, columns]
    scale = 1 / filled.std(axis=0, ddof=1) if scaled else np.ones(len(columns))
    check(out, filled * scale)
    run(2, "verify", out, data).ok()
    run(1, "transform", out, data, "-o", tmp_path / "s.h5").ok()
    with h5py.File(out) as file, h5py.File(tmp_path / "s.h5") as scores:
        assert ("columns" in file) == (nan != "mean") and ("scale" in file) == bool(scaled)
        if nan != "mean":
            assert file["columns"][...].tolist() == columns.tolist()
        expected = (filled * scale - file["mean"][...]) @ file["components"][...].T
        np.testing.assert_allclose(scores["scores"], expected, atol=1e-8)


@pytest.mark.parametrize("operator", OPERATORS)
def test_weights(tmp_path, operator):
    """Of a file, and of the latitudes of a grid; with columns that are masked, as of oceans."""
    field = RNG.standard_normal((80, 4, 5)) * [5, 4, 3, 2, 1]
    field[:, 1, 2:] = -9
    latitudes = np.array([-60.0, -10, 30, 80])
    data, out = written(tmp_path / "x.nc", field, missing_value=-9.0), tmp_path / "a.h5"
    with h5py.File(data, "a") as file:
        file["y"] = latitudes
        file["y"].attrs["units"] = "degrees_north"
        file["y"].make_scale("y")
        file["x"].dims[1].attach_scale(file["y"])
        file["w"] = np.linspace(0, 1, 20)
    ranks = 3 if operator == "streaming" else 1
    kept = np.flatnonzero((field != -9).all(axis=0).ravel())
    roots = np.sqrt(np.repeat(np.cos(np.deg2rad(latitudes)), 5))[kept]
    common = ("--nan", "drop-columns", "-k", 3, "--tol", 1e-10, "--operator", operator)
    run(ranks, "fit", f"{data}:x", *common, "--column-weights", "coslat", "-o", out).ok()
    check(out, field.reshape(80, 20)[:, kept] * roots)
    run(2, "verify", out, f"{data}:x").ok()
    with h5py.File(out) as file:
        assert file.attrs["feature_shape"].tolist() == [4, 5]
        np.testing.assert_allclose(file["scale"], roots)
    words = ("--column-weights", f"{data}:w", "--overwrite")
    run(1, "fit", f"{data}:x", *common, *words, "-o", out).ok()
    check(out, field.reshape(80, 20)[:, kept] * np.sqrt(np.linspace(0, 1, 20))[kept])


@pytest.mark.parametrize("dtype", ["i2", "i1", "u1", "f4"])
def test_packed_values(tmp_path, dtype):
    """As NetCDF has them; fill values are among those that are stored."""
    stored = RNG.integers(0, 100, (60, 9)).astype(dtype)
    attributes = {"scale_factor": 0.01, "add_offset": np.array([273.15]), "_FillValue": 111}
    meant = 0.01 * stored.astype(float) + 273.15
    if dtype == "i1":
        stored[5] -= np.int8(120)
        attributes |= {"_Unsigned": "true", "_FillValue": np.int8(-3)}
        meant = 0.01 * stored.view("u1").astype(float) + 273.15
    path = written(tmp_path / "x.nc", stored, **attributes)
    source = open_source([str(path)])
    assert source.dtype == np.float32
    found = source.read(0, 0, 60)
    np.testing.assert_allclose(found.rows, meant, rtol=1e-6)
    source.check_finite(found)
    with h5py.File(path, "a") as file:
        file["x"][17, 3] = attributes["_FillValue"]
    source = open_source([str(path)])
    with pytest.raises(DataError, match="row 17, column 3 is nan"):
        source.check_finite(source.read(0, 0, 60))
    sums = open_source([str(path)], Reading(normalize_rows=1.0, columns="0:2"))
    expected = meant[:5, :2] / meant[:5].sum(axis=1)[:, None]
    np.testing.assert_allclose(sums.read(0, 0, 5).rows, expected, rtol=1e-5)


def test_sums_of_rows_with_missing_values(tmp_path):
    """They are of the values that are there; the others stay missing."""
    rows = RNG.random((20, 5)) + 1
    rows[3, 1], rows[7, 2] = np.nan, -9
    source = open_source(
        [str(written(tmp_path / "x.h5", rows, _FillValue=-9.0))],
        Reading(normalize_rows=10.0, nan="mean"),
    )
    rows[7, 2] = np.nan
    expected = 10 * rows / np.nansum(rows, axis=1)[:, None]
    np.testing.assert_allclose(source.read(0, 0, 20).rows, expected, rtol=1e-14)


def test_what_makes_no_sense(tmp_path):
    rows = RNG.standard_normal((30, 6))
    rows[:, 2] = np.nan
    data = written(tmp_path / "x.h5", rows)
    written(tmp_path / "inf.h5", np.where(np.isnan(rows), np.inf, rows))
    written(tmp_path / "all.h5", np.full((30, 6), np.nan))
    written(tmp_path / "square.h5", np.eye(4))
    words = {
        "no value": ("fit", tmp_path / "all.h5", "--nan", "mean"),
        "infinite": ("fit", tmp_path / "inf.h5", "--nan", "drop-columns"),
        "nothing left": ("fit", tmp_path / "all.h5", "--nan", "drop-columns"),
        "covariance": ("fit", tmp_path / "square.h5", "--covariance", "--scale"),
        "no latitudes": ("fit", data, "--column-weights", "coslat"),
        "refused": ("fit", data),
    }
    done = batch(2, {k: (*w, "-k", 2, "-o", tmp_path / "a.h5") for k, w in words.items()})
    said = {
        "no value": (3, "every column has no value at all: none would be left"),
        "infinite": (3, "row 0, column 2 is inf"),
        "nothing left": (3, "every column has missing values"),
        "covariance": (2, "leave --scale out"),
        "no latitudes": (3, "has no latitudes"),
        "refused": (3, "row 0, column 2 is nan"),
    }
    for name, (code, text) in said.items():
        assert text in done[name].ended(code).messages[0], name
    source = open_source([str(tmp_path / "square.h5")])
    for weights, text in ((np.ones(3), "3 weights for 4"), (-np.ones(4), "from 0 on")):
        np.save(tmp_path / "w.npy", weights)
        with pytest.raises(DataError, match=text):
            column_weights(str(tmp_path / "w.npy"), source)


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
def test_scaled_columns(tmp_path, operator):
    """Components are those of the correlations, whatever the means; a constant column has no part
    in them; what is made with the result, and a run that goes on, scale alike.
    """
    rows = RNG.standard_normal((90, 24)) * np.geomspace(1e-3, 1e3, 24) + np.linspace(-50, 50, 24)
    rows[:, 5] = 7.25
    data, out = written(tmp_path / "x.h5", rows), tmp_path / "a.h5"
    ranks = 3 if operator == "streaming" else 1
    how = ("--scale", "--operator", operator, "--tol", 1e-10)
    begun = run(ranks, "fit", data, "-k", 4, *how, "--max-rounds", 1, "-o", out)
    assert "constant columns are left as they are by --scale: 5\n" in begun.stderr
    run(ranks, "resume", out, "--max-rounds", 100).ok()
    keep = np.arange(24) != 5
    deviations = np.where(keep, rows.std(axis=0, ddof=1), 1)
    correlations = np.corrcoef(rows[:, keep].T)
    values, vectors = np.linalg.eigh(correlations)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["scale"], 1 / deviations, rtol=1e-12)
        np.testing.assert_allclose(file["explained_variance"], values[::-1][:4], rtol=1e-9)
        found = file["components"][:, keep]
        signs = np.sign((found * vectors.T[::-1][:4]).sum(axis=1))[:, None]
        np.testing.assert_allclose(found, signs * vectors.T[::-1][:4], atol=1e-8)
        assert np.abs(file["components"][:, 5]).max() < 1e-12
    run(2, "verify", out, data).ok()
    run(1, "transform", out, data, "-o", tmp_path / "s.h5").ok()
    run(1, "reconstruct", out, tmp_path / "s.h5", "-o", tmp_path / "r.h5").ok()
    with h5py.File(tmp_path / "s.h5") as scores, h5py.File(tmp_path / "r.h5") as back:
        centred = (rows - rows.mean(axis=0)) / deviations
        np.testing.assert_allclose(scores["scores"][...], centred[:, keep] @ found.T, atol=1e-9)
        expected = scores["scores"][...] @ found * deviations[keep] + rows.mean(axis=0)[keep]
        np.testing.assert_allclose(back["data"][:, keep], expected, atol=1e-6)
        np.testing.assert_allclose(back["data"][:, 5], 7.25, rtol=1e-12)


@pytest.mark.parametrize("operator", [*OPERATORS, "sparse"])
def test_rows_with_missing_values_are_left_out(tmp_path, operator):
    """By attributes or NaN, on top of rows that were chosen; they have no scores."""
    rows = np.where(RNG.random((150, 12)) < 0.7, RNG.standard_normal((150, 12)) + 2, 0)
    rows[[4, 4, 9, 130], [2, 3, 5, 11]] = np.nan
    rows[[60, 149], [0, 7]] = np.nan if operator == "sparse" else -99
    if operator == "sparse":
        data = f"{write(tmp_path / 'x.h5ad', rows, dtype='f8')}:X"
    else:
        data = written(tmp_path / "x.h5", rows, _FillValue=-99.0)
    rows[rows == -99] = np.nan
    out, ranks = tmp_path / "a.h5", 1 if operator == "gram" else 3
    words = ("--nan", "drop-rows", "--scale", "--rows", "3:", "--operator", operator)
    begun = run(ranks, "fit", data, *words, "--tol", 1e-10, "-k", 3, "-o", out).ok()
    assert "5 of 147 rows have missing values: left out" in begun.stderr
    gone = np.isnan(rows).any(axis=1)
    taken = rows[3:][~gone[3:]]
    scale = 1 / taken.std(axis=0, ddof=1)
    check(out, taken * scale)
    run(2, "verify", out, data, "--tol", 1e-9).ok()
    run(2, "transform", out, data, "-o", tmp_path / "s.h5").ok()
    with h5py.File(out) as file, h5py.File(tmp_path / "s.h5") as scores:
        assert (file["left_out"][...] + 3).tolist() == np.flatnonzero(gone).tolist()
        assert file.attrs["n_samples"] == 142
        expected = (rows * scale - file["mean"][...]) @ file["components"][...].T
        np.testing.assert_allclose(scores["scores"], expected, atol=1e-8)


def test_goes_on_without_rows_that_were_left_out(tmp_path):
    rows = RNG.standard_normal((150, 30))
    rows[[7, 80], 3] = np.nan
    data, out = written(tmp_path / "x.h5", rows), tmp_path / "a.h5"
    how = ("--nan", "drop-rows", "--operator", "streaming", "--guards", 0, "-k", 2, "--tol", 1e-10)
    run(2, "fit", data, *how, "--max-rounds", 1, "-o", out).ended(4)
    run(3, "resume", out, "--max-rounds", 500).ok()
    check(out, np.delete(rows, [7, 80], axis=0), 2, 1e-7)


def test_no_row_is_left(tmp_path):
    rows = RNG.standard_normal((40, 6))
    rows[:, 3] = np.nan
    data = written(tmp_path / "x.h5", rows)
    ended = run(2, "fit", data, "--nan", "drop-rows", "-k", 1, "-o", tmp_path / "a.h5").ended(3)
    assert "every row has missing values" in ended.stderr


@pytest.mark.parametrize("kind", [*OPERATORS, "sparse"])
def test_values_that_are_changed_are_not_rounded_in_double(alone, exchange_over, tmp_path, kind):
    """Of short types they are float32 in single precision alone: going on in double reads them
    anew.
    """
    rows = np.where(RNG.random((200, 12)) < 0.7, RNG.gamma(2.0, 3.0, (200, 12)), 0)
    rows = rows.astype(np.float32)
    if kind == "sparse":
        names = [f"{write(tmp_path / 'x.h5ad', rows)}:X"]
    else:
        names = [str(written(tmp_path / "x.h5", rows))]
    reading, exchange = Reading(log1p=True, normalize_rows=40.0), exchange_over(alone, 1, 1)
    changed = np.log1p(40.0 * rows.astype(float) / rows.astype(float).sum(axis=1)[:, None])
    operator = build(exchange, kind, names, reading=reading)
    assert not (why := wrong(operator, exchange, changed, np.float32, kind != "sparse")), why
    operator.to_double()
    assert not (why := wrong(operator, exchange, changed, np.float64, kind != "sparse")), why
    operator = build(exchange, kind, names, True, reading=reading)
    assert not (why := wrong(operator, exchange, changed, np.float64, kind != "sparse")), why


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_bounds_hold_for_values_that_are_changed(tmp_path, dtype):
    """Packed and scaled, to far below what float32 tells apart."""
    rows = (100 * RNG.standard_normal((150, 10)) * np.geomspace(9, 1, 10)).astype(dtype)
    data = written(tmp_path / "x.h5", rows, scale_factor=0.1, add_offset=3.0)
    out = tmp_path / "a.h5"
    run(2, "fit", data, "--scale", "--tol", 1e-10, "-k", 3, "-o", out).ok()
    unpacked = 0.1 * rows.astype(float) + 3
    check(out, unpacked / unpacked.std(axis=0, ddof=1), accuracy=1e-11)
    run(1, "verify", out, data, "--tol", 1e-9).ok()


def test_a_plan_counts_the_reading_before(tmp_path):
    rows = RNG.standard_normal((90, 6))
    data, out = written(tmp_path / "x.h5", rows), tmp_path / "a.h5"
    words = (data, "-k", 2, "--scale", "--operator", "gram")
    planned = run(0, "plan", *words, "--ranks", 1).ok().stdout
    assert "read from files: 2 ×" in planned
    assert ", 2 reads" in run(1, "fit", *words, "-o", out).ok().stderr
    planned = run(0, "plan", data, "-k", 2, "--nan", "em", "--ranks", 1).ok().stdout
    assert "not forecast: how many readings --nan em takes" in planned
