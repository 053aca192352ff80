"""Sparse matrices of AnnData and of 10x, read in blocks that are dense."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from launch import run
from sparse_files import compressed, write

from hpcpca.errors import DataError
from hpcpca.sources.learned import Learned
from hpcpca.sources.random_rows import RowReader
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

N, D = 130, 40
RNG = np.random.default_rng(4)
DENSE = RNG.poisson(0.3, (N, D)) * RNG.integers(1, 4, D)
DENSE[7] = 0


def rows_of(source):
    """All rows, read in small pieces."""
    pieces = source.pieces(0, len(source.blocks), 2000)
    return np.vstack([source.read(*place).rows.copy() for place in pieces])


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", None], ids=["CSR", "CSC", "10x"])
def test_rows(tmp_path, kind, dtype):
    path = write(tmp_path / "x.h5ad", DENSE, kind, dtype)
    reading = Reading() if kind == "csr_matrix" else Reading(samples_axis=1)
    source = open_source([path], reading)
    expected = DENSE.T if kind == "csc_matrix" else DENSE
    assert (source.n, source.d, source.dtype) == (*expected.shape, np.dtype(dtype))
    np.testing.assert_array_equal(rows_of(source), expected)
    np.testing.assert_array_equal(source.read(0, 7, 8).rows, expected[7:8])


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", None], ids=["CSR", "CSC", "10x"])
def test_samples_along_the_other_axis(tmp_path, monkeypatch, kind):
    """They are all over the file, and gathered a few columns at a time."""
    monkeypatch.setattr("hpcpca.sources.sparse.AT_ONCE", 50)
    path = write(tmp_path / "x.h5ad", DENSE, kind)
    reading = Reading(samples_axis=int(kind == "csr_matrix"))
    expected = DENSE if kind == "csc_matrix" else DENSE.T
    source = open_source([path], reading)
    np.testing.assert_array_equal(rows_of(source), expected)
    with source.open(0) as opened:
        assert opened.stored_in(3, 29) == np.count_nonzero(expected[3:29])
    some = open_source([path], replace(reading, rows="5,7,30", columns="3:20"))
    np.testing.assert_array_equal(rows_of(some), expected[[5, 7, 30], 3:20])
    out = tmp_path / "a.h5"
    how = ("--samples-axis", reading.samples_axis, "--operator", "sparse", "--tol", 1e-10)
    run(3, "fit", path, *how, "-k", 2, "-o", out).ok()
    run(2, "verify", out, path, "--tol", 1e-8).ok()
    values = np.linalg.eigvalsh(np.cov(expected.T.astype(float)))[::-1]
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["explained_variance"], values[:2], rtol=1e-9)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8"])
def test_entries_in_no_order_and_twice(tmp_path, dtype):
    """As scipy takes them: several for one entry add up."""
    parts = compressed(DENSE, lambda entries: entries[::-1])
    path = write(tmp_path / "x.h5ad", DENSE, parts=parts, index=dtype)
    np.testing.assert_array_equal(rows_of(open_source([path])), DENSE)
    data, indices, ends = compressed(DENSE)
    twice = np.repeat(data, 2) / 2, np.repeat(indices, 2), 2 * ends
    path = write(tmp_path / "y.h5ad", DENSE, parts=twice, index=dtype)
    np.testing.assert_array_equal(rows_of(open_source([path])), DENSE)


def test_as_single_cell_data_are_treated(tmp_path):
    """Some genes, sums of cells, logarithms; in any order of rows, too."""
    path = write(tmp_path / "x.h5ad", DENSE, dtype="i4")
    chosen = DENSE.var(axis=0) > np.median(DENSE.var(axis=0))
    with h5py.File(path, "a") as file:
        file["var/highly_variable"] = chosen
    how = Reading(columns=f"{path}:var/highly_variable", normalize_rows=1e2, log1p=True)
    sums = np.where(DENSE.sum(axis=1) == 0, 1, DENSE.sum(axis=1))[:, None]
    expected = np.log1p(1e2 * DENSE / sums)[:, chosen]
    source = open_source([f"{path}:X"], how)
    np.testing.assert_allclose(rows_of(source), expected, rtol=1e-14)
    reader = RowReader(source, 1 << 20)
    drawn = np.vstack(list(reader.rows([(120, 3), (2, 1)])))
    reader.close()
    np.testing.assert_allclose(
        np.sort(drawn, axis=0), np.sort(expected[[120, 121, 122, 2]], axis=0), rtol=1e-14
    )


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming", "sparse"])
def test_fits(tmp_path, operator):
    """What is computed is what comes of the dense matrix, mean and all."""
    sparse = write(tmp_path / "x.h5ad", DENSE, dtype="f8")
    write(tmp_path / "x.h5ad", DENSE[:, :9], dtype="f8", group="layers/some")
    with h5py.File(tmp_path / "dense.h5", "w") as file:
        file["X"] = DENSE.astype("f8")
    common = ("-k", 3, "--tol", 1e-10, "--no-checkpoint")
    how = ("--operator", operator, "-o", tmp_path / "a.h5")
    run(3, "fit", f"{sparse}:X", *common, *how).ok()
    run(1, "fit", tmp_path / "dense.h5", *common, "-o", tmp_path / "b.h5").ok()
    run(2, "verify", tmp_path / "a.h5", f"{sparse}:X").ok()
    run(2, "transform", tmp_path / "a.h5", f"{sparse}:X", "-o", tmp_path / "s.h5").ok()
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as other:
        v, w = one["components"][...], other["components"][...]
        np.testing.assert_allclose(v.T @ v, w.T @ w, atol=1e-8)
        np.testing.assert_allclose(one["mean"], DENSE.mean(axis=0), atol=1e-12)
        with h5py.File(tmp_path / "s.h5") as scores:
            expected = (DENSE - DENSE.mean(axis=0)) @ v.T
            np.testing.assert_allclose(scores["scores"], expected, atol=1e-10)


def test_statistics_of_stored_values(tmp_path):
    """Sums of rows, logarithms, variances, missing values: as plain numpy has them."""
    rows = DENSE[:, 2:].astype(float)
    rows[:, 5], rows[3, 8], rows[9, 8] = 7, np.nan, 0
    path, out = write(tmp_path / "x.h5ad", rows, dtype="f8"), tmp_path / "a.h5"
    words = ("--normalize-rows", 50, "--log1p", "--scale", "--nan", "mean", "--tol", 1e-11)
    how = ("-k", 3, "--operator", "sparse", "--no-checkpoint", *words)
    run(3, "fit", path, "--columns", "5:30", *how, "-o", out).ok()
    sums = np.nansum(rows, axis=1)[:, None]
    taken = np.log1p(50 * rows / np.where(sums == 0, 1, sums))[:, 5:30]
    taken = np.where(np.isnan(taken), np.nanmean(taken, axis=0), taken)
    values, vectors = np.linalg.eigh(np.corrcoef(taken.T))
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["explained_variance"], values[::-1][:3], rtol=1e-10)
        found = file["components"][...] @ vectors[:, ::-1][:, :3]
        np.testing.assert_allclose(np.abs(np.diag(found)), 1, rtol=1e-10)
    run(2, "verify", out, path, "--tol", 1e-9).ok()


def test_a_check_and_a_listing(tmp_path):
    path = write(tmp_path / "x.h5ad", DENSE)
    bad = DENSE.astype(float)
    bad[12, np.flatnonzero(bad[12])[0]] = np.nan
    other = write(tmp_path / "bad.h5ad", bad)
    assert f"{N} × {D} float32" in run(2, "data", "check", path).stdout
    assert "row 12" in run(1, "data", "check", other).ended(4).stdout
    shown = run(0, "info", path).ok().stdout
    assert f"X: {N} × {D} with {np.count_nonzero(DENSE)} values, sparse CSR" in shown


@pytest.mark.parametrize("what", ["ends", "indices", "shape", "lengths"])
def test_damage(tmp_path, what):
    data, indices, ends = compressed(DENSE)
    if what == "ends":
        ends[50] = ends[60]
    elif what == "indices":
        indices[100] = D
    elif what == "shape":
        ends = ends[:-1]
    else:
        indices = indices[:-1]
    path = write(tmp_path / "x.h5ad", DENSE, parts=(data, indices, ends))
    said = {
        "ends": "make no sense",
        "indices": "entries outside of 40 columns",
        "shape": "ends of rows; check its export",
        "lengths": "values and .* indices",
    }
    with pytest.raises(DataError, match=said[what]):
        rows_of(open_source([path]))


@pytest.mark.parametrize("index", ["i4", "u4", "i8"])
@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix"])
def test_stored_values_are_those_of_dense_rows(tmp_path, kind, index):
    """Whatever is made of rows: sums, columns in any order, logarithms, what was learnt."""
    bad = DENSE.astype(float)
    bad[12, np.flatnonzero(bad[12])[:2]] = np.nan
    path = write(tmp_path / "x.h5ad", bad, kind, index=index)
    for how in (
        {},
        {"columns": "30,2,7,39"},
        {"normalize_rows": 10.0, "log1p": True, "columns": "3:30"},
        {"nan": "mean", "scale": True, "columns": "9,8,3"},
    ):
        source = open_source([path], Reading(samples_axis=int(kind == "csc_matrix"), **how))
        if "nan" in how:
            source.learn(Learned(fill=np.array([4.0, 5, 6]), scale=np.array([2.0, 3, 0.5])))
        expected, found = rows_of(source), np.zeros((source.n, source.d))
        for place in source.pieces(0, len(source.blocks), 2000):
            block = source.read_stored(*place)
            at = block.first + np.repeat(np.arange(len(block)), np.diff(block.ends))
            assert block.values.dtype == source.dtype
            found[at, block.indices] = block.values
        np.testing.assert_array_equal(found, expected)
    assert (
        open_source([path], Reading(columns="3,3,4", samples_axis=source.parts[0].axis)).stored
        is None
    )
