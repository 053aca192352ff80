"""Rows out of any axis of a dataset, some of the columns, and values that are changed."""

import h5py
import numpy as np
import pytest
from launch import batch, run

from hpcpca.errors import DataError, UsageError
from hpcpca.sources.random_rows import RowReader
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

SHAPE = (90, 4, 6)  # samples first
RNG = np.random.default_rng(11)
VALUES = np.moveaxis(RNG.standard_normal((4, 6, 90)) * np.arange(1, 7)[:, None], 2, 0)
COUNTS = RNG.poisson(3, SHAPE)


def written(path, values, axis, **how):
    """A file that has ``values`` with the samples along another axis."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.moveaxis(values, 0, axis), **how)
    return str(path)


def flat(values):
    """Samples as rows."""
    return values.reshape(len(values), -1)


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "?"])
@pytest.mark.parametrize("chunks", [None, (3, 2, 5)])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_samples_along_any_axis(tmp_path, axis, chunks, dtype):
    values = COUNTS.astype(dtype)
    path = written(tmp_path / "x.h5", values, axis, chunks=chunks)
    source = open_source([path], Reading(samples_axis=axis))
    assert (source.n, source.d, source.feature_shape) == (90, 24, (4, 6))
    read = [source.read(*place).rows.copy() for place in source.pieces(0, len(source.blocks), 700)]
    assert len(read) > 3
    np.testing.assert_array_equal(np.vstack(read), flat(values))
    np.testing.assert_array_equal(source.read(0, 17, 18).rows, flat(values)[17:18])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_npy(tmp_path, axis, order):
    """By itself, not in a folder; in the file's byte order; whole."""
    values = np.asarray(np.moveaxis(VALUES, 0, axis), ">f4" if axis else "f8", order)
    np.save(tmp_path / "x.npy", values)
    source = open_source([str(tmp_path / "x.npy")], Reading(samples_axis=axis))
    assert (source.n, source.d, source.feature_shape) == (90, 24, (4, 6))
    expected = flat(np.moveaxis(values, axis, 0))
    read = [source.read(*place).rows.copy() for place in source.pieces(0, len(source.blocks), 900)]
    np.testing.assert_array_equal(np.vstack(read), expected)
    with pytest.raises(DataError, match="no HDF5 file"):
        open_source([str(tmp_path)])
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="is truncated: 1000 of"):
        open_source([str(tmp_path / "x.npy")])


@pytest.mark.parametrize("what", ["one axis", "objects", "no array", "a dataset", "nothing"])
def test_npy_that_cannot_be_read(tmp_path, what):
    path = tmp_path / "x.npy"
    if what in ("one axis", "objects"):
        np.save(path, np.ones(5) if what == "one axis" else np.array([[{}]]), allow_pickle=True)
    elif what != "nothing":
        path.write_text("text, and no array at all")
    said = {
        "one axis": "at least two dimensions",
        "objects": "holds objects",
        "no array": "is not a .npy file that can be read",
        "a dataset": "has one array",
        "nothing": "no such file",
    }
    with pytest.raises(DataError, match=said[what]):
        open_source([f"{path}:x" if what == "a dataset" else str(path)])


def test_matlab(tmp_path):
    """Version 7.3: HDF5 after 512 bytes of text, arrays with their axes in reverse."""
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file["data"] = flat(VALUES).T  # MATLAB's data (90, 24)
    source = open_source([str(tmp_path / "x.mat")], Reading(samples_axis=1))
    np.testing.assert_array_equal(source.read(0, 0, 90).rows, flat(VALUES))


def test_a_few_rows_are_gathered_at_a_time(tmp_path, monkeypatch):
    """Where they are not consecutive, what is held beside them is small."""
    monkeypatch.setattr("hpcpca.sources.turned.SLICE_BYTES", 1000)
    monkeypatch.setattr("hpcpca.sources.view.SLICE_BYTES", 1000)
    path = written(tmp_path / "x.h5", COUNTS, 1)
    source = open_source([path], Reading(samples_axis=1, log1p=True))
    np.testing.assert_allclose(source.read(0, 5, 80).rows, np.log1p(flat(COUNTS))[5:80])


@pytest.mark.parametrize("how", ["5:17", "3,1,22", ":4", "numbers", "mask", "npy"])
def test_columns(tmp_path, how):
    path = written(tmp_path / "x.h5", COUNTS, 0)
    numbers = np.array([2, 9, 4])
    with h5py.File(path, "a") as file:
        file["var/numbers"] = numbers
        file["var/mask"] = np.isin(np.arange(24), numbers)
    np.save(tmp_path / "c.npy", numbers)
    named = {
        "numbers": (f"{path}:var/numbers", [2, 9, 4]),
        "mask": (f"{path}:var/mask", [2, 4, 9]),
        "npy": (str(tmp_path / "c.npy"), [2, 9, 4]),
        "5:17": ("5:17", np.arange(5, 17)),
        ":4": (":4", np.arange(4)),
        "3,1,22": ("3,1,22", [3, 1, 22]),
    }
    text, expected = named[how]
    for log1p in (False, True):
        source = open_source([f"{path}:x"], Reading(columns=text, log1p=log1p))
        values = flat(COUNTS)[:, expected]
        assert source.d == len(expected) and source.feature_shape == (4, 6)
        assert source.dtype == (np.float64 if log1p else COUNTS.dtype)
        found = source.read(0, 0, 90).rows
        np.testing.assert_allclose(found, np.log1p(values) if log1p else values, rtol=1e-15)
    bad = VALUES.copy()
    bad[7].flat[9] = np.nan
    path = written(tmp_path / "nan.h5", bad, 0)
    source = open_source([path], Reading(columns="2,9,4"))
    with pytest.raises(DataError, match="row 7, column 9 is nan"):
        source.check_finite(source.read(0, 0, 90))


@pytest.mark.parametrize("dtype", ["f4", "u2", "i8"])
def test_values(tmp_path, dtype):
    """Sums of rows, then logarithms; rows that add up to zero stay; fill values are found."""
    counts = flat(COUNTS).astype(dtype)
    counts[3] = 0
    path = written(tmp_path / "x.h5", counts, 0)
    source = open_source([path], Reading(normalize_rows=1e4, log1p=True))
    sums = np.maximum(counts.sum(axis=1, dtype=float), 1)[:, None]
    expected = np.log1p(counts * (1e4 / sums))
    accuracy = 1e-15 if source.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(source.read(0, 0, 90).rows, expected, rtol=8 * accuracy)
    with h5py.File(path, "a") as file:
        file["x"].attrs["_FillValue"] = counts.dtype.type(7)
        file["x"][...] = np.where(counts == 7, 6, counts)
        file["x"][40, 2] = 7
    source = open_source([path], Reading(log1p=True))
    with pytest.raises(DataError, match="row 40, column 2 is nan after --log1p"):
        source.check_finite(source.read(0, 0, 90))


def test_rows_drawn_at_random(tmp_path):
    path = written(tmp_path / "x.h5", COUNTS, 2)
    source = open_source([path], Reading(samples_axis=2, columns="0:9", log1p=True))
    reader = RowReader(source, 1 << 20)
    found = np.vstack(list(reader.rows([(50, 3), (88, 4)])))
    reader.close()
    expected = np.log1p(flat(COUNTS)[:, :9])[[50, 51, 52, 88, 89, 0, 1]]
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0), rtol=1e-15)


@pytest.mark.parametrize(
    "reading, said",
    [
        (Reading(samples_axis=3), "has 3 axes, of .*; --samples-axis 3 is none of them"),
        (Reading(columns="5:3"), "no columns of 24"),
        (Reading(columns="0,24"), "there is no column 24; they go from 0 to 23"),
        (Reading(columns="{}:short"), "a mask of 3, and there are 24 columns"),
        (Reading(columns="{}:x"), "a list, or a mask, is needed"),
        (Reading(columns="nothing.npy"), "no such file"),
    ],
)
def test_what_cannot_be_read(tmp_path, reading, said):
    path = written(tmp_path / "x.h5", COUNTS, 0)
    with h5py.File(path, "a") as file:
        file["short"] = np.ones(3, bool)
    if reading.columns:
        reading = Reading(columns=reading.columns.format(path))
    with pytest.raises((DataError, UsageError), match=said):
        open_source([f"{path}:x"], reading)


def test_samples_of_another_shape(tmp_path):
    paths = [
        written(tmp_path / f"{i}.h5", COUNTS.reshape(90, *s), 0)
        for i, s in enumerate([(4, 6), (6, 4)])
    ]
    with pytest.raises(DataError, match=r"has samples of \(6, 4\), the first file .* \(4, 6\)"):
        open_source(paths)


HOW = {
    "axis": ("--samples-axis", 1),
    "columns": ("--samples-axis", 1, "--columns", "2:20"),
    "values": ("--samples-axis", 1, "--normalize-rows", 100, "--log1p"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files as they come, and with what should be read of them."""
    folder = tmp_path_factory.mktemp("reading")
    written(folder / "axis.h5", VALUES, 1, chunks=(2, 11, 3))
    written(folder / "columns.h5", VALUES, 1)
    written(folder / "values.h5", COUNTS.astype("u2"), 1)
    sums = flat(COUNTS).sum(axis=1)[:, None]
    plain = {
        "axis": flat(VALUES),
        "columns": flat(VALUES)[:, 2:20],
        "values": np.log1p(flat(COUNTS) * 100 / sums).astype("f4"),
    }
    for name, values in plain.items():
        written(folder / f"{name}-plain.h5", values, 0)
    written(folder / "targets.h5", VALUES[:, :2, :3] + 0.5, 2)
    written(folder / "targets-plain.h5", flat(VALUES[:, :2, :3]) + 0.5, 0)
    return folder


def same(a, b, names, accuracy=1e-9):
    with h5py.File(a) as one, h5py.File(b) as other:
        for name in names:
            x, y = one[name][...], other[name][...]
            if x.ndim == 2:  # directions
                x, y = x.T @ x, y.T @ y
            np.testing.assert_allclose(x, y, atol=accuracy * np.abs(y).max(), err_msg=name)


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
@pytest.mark.parametrize("name", HOW)
def test_fits(folder, tmp_path, name, operator):
    """On every operator, and what is measured of the result and made with it: no option is needed
    again.
    """
    ranks = 3 if operator == "streaming" else 1
    common = ("-k", 3, "--operator", operator, "--tol", 1e-9, "--no-checkpoint")
    data, plain = folder / f"{name}.h5", folder / f"{name}-plain.h5"
    out, other = tmp_path / "a.h5", tmp_path / "b.h5"
    run(ranks, "fit", data, *HOW[name], *common, "-o", out).ok()
    run(1, "fit", plain, *common, "-o", other).ok()
    accuracy = 1e-6 if name == "values" else 1e-9  # rounded to float32 in another order
    same(out, other, ("components", "explained_variance", "mean"), accuracy)
    run(ranks, "verify", out, data, "--tol", 1e-6).ok()
    run(1, "transform", out, data, "-o", tmp_path / "s.h5").ok()
    run(1, "transform", other, plain, "-o", tmp_path / "t.h5").ok()
    with h5py.File(tmp_path / "s.h5") as one, h5py.File(tmp_path / "t.h5") as two:
        x, y = one["scores"][...], two["scores"][...]
        np.testing.assert_allclose(np.abs(x), np.abs(y), atol=1e3 * accuracy * np.abs(y).max())
    with h5py.File(out) as file:
        assert file.attrs["feature_shape"].tolist() == [4, 6]
        numbers = file["columns"][...].tolist() if name == "columns" else None
        assert ("columns" in file) == (name == "columns") and numbers in (None, [*range(2, 20)])


def test_regressions(folder, tmp_path):
    """Inputs and targets along other axes; predictions need no option again."""
    common = ("-r", 2, "--tol", 1e-9, "--no-checkpoint")
    out, other, targets = tmp_path / "a.h5", tmp_path / "b.h5", folder / "targets.h5"
    data, plain = folder / "columns.h5", folder / "columns-plain.h5"
    how = (*HOW["columns"], "--targets-axis", 2)
    run(2, "regress", data, "--targets", targets, *how, *common, "-o", out).ok()
    run(1, "regress", plain, "--targets", folder / "targets-plain.h5", *common, "-o", other).ok()
    same(out, other, ("components", "input_mean", "r2"), 1e-8)
    run(1, "verify", out, data, "--targets", targets, "--tol", 1e-6).ok()
    run(1, "predict", out, data, "-o", tmp_path / "p.h5").ok()
    run(1, "predict", other, plain, "-o", tmp_path / "q.h5").ok()
    same(tmp_path / "p.h5", tmp_path / "q.h5", ("predictions",), 1e-8)


def test_rows_are_written_once_and_for_all(folder, tmp_path):
    how = ("--samples-axis", 1, "--columns", "2:20", "--shards", 2)
    run(3, "data", "shard", folder / "columns.h5", *how, "-o", tmp_path / "rows").ok()
    source = open_source([str(tmp_path / "rows")])
    rows = np.vstack([source.read(number, 0, 45).rows for number in (0, 1)])
    np.testing.assert_array_equal(rows, flat(VALUES)[:, 2:20])


def test_options_are_kept_and_refused(folder, tmp_path):
    """A resumed run reads as before; a plan and a check know the options; a covariance does not."""
    data, out = folder / "values.h5", tmp_path / "a.h5"
    how = HOW["values"]
    stopped = ("-k", 4, "--max-rounds", 1, "--tol", 1e-13, "--operator", "streaming")
    done = batch(
        1,
        {
            "check": ("data", "check", data, *how),
            "covariance": ("fit", data, "-k", 3, "--covariance", "--log1p", "-o", tmp_path / "c"),
            "zero": ("fit", data, "-k", 3, "--normalize-rows", 0, "-o", tmp_path / "c"),
            "fit": ("fit", data, *how, *stopped, "-o", out),
        },
    )
    assert "90 × 24 float32" in done["check"].stdout
    assert "leave --log1p out" in done["covariance"].ended(2).messages[0]
    assert "a number above 0" in done["zero"].ended(2).messages[0]
    done["fit"].ended(4)
    assert "90 × 24 float32" in run(0, "plan", data, "-k", 3, *how).ok().stdout
    run(1, "resume", out, "--tol", 1e-6, "--max-rounds", 100).ok()
    run(1, "verify", out, data).ok()
    sized = run(0, "plan", "90x40", "-k", 3, "--columns", "0:24").ended(2)
    assert "90x40 are no data to read: leave --columns out" in sized.messages[0]
    words = ("regress", data, "--covariance", "--inputs", 2, "--targets-axis", 1, "-r", 1)
    told = run(0, *words, "-o", tmp_path / "c").ended(2).messages[0]
    assert "--targets-axis 1 goes with --targets" in told
    assert "have length" in run(1, "verify", out, data, "--columns", "0:3").ended(3).messages[0]
