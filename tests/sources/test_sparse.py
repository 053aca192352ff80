"""Sparse matrices of AnnData and of 10x, read in blocks that are dense."""

import h5py
import numpy as np
import pytest
from launch import run

from hpcpca.errors import DataError
from hpcpca.sources.random_rows import RowReader
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

N, D = 130, 40
RNG = np.random.default_rng(4)
DENSE = RNG.poisson(0.3, (N, D)) * RNG.integers(1, 4, D)
DENSE[7] = 0


def compressed(matrix, order=lambda entries: entries):
    """(data, indices, indptr) of the rows of a matrix, the entries of a row in this order."""
    data, indices, ends = [], [], [0]
    for row in matrix:
        entries = order(np.flatnonzero(row))
        indices += entries.tolist()
        data += row[entries].tolist()
        ends.append(len(data))
    return np.array(data), np.array(indices), np.array(ends)


def write(path, matrix, kind="csr_matrix", dtype="f4", *, group="X", parts=None):
    """A group as anndata writes it, or (kind None) as 10x does: features × cells, in CSC."""
    rows = matrix.T if kind == "csc_matrix" else matrix
    data, indices, ends = parts or compressed(rows)
    shape = matrix.shape if kind else matrix.shape[::-1]
    with h5py.File(path, "a") as file:
        made = file.create_group(group)
        made.create_dataset("data", data=data.astype(dtype), compression="gzip")
        made.create_dataset("indices", data=indices.astype("i4"))
        made["indptr"] = ends.astype("i4")
        if kind:
            made.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0", "shape": shape})
        else:
            made["shape"] = np.array(shape)
    return str(path)


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
    with pytest.raises(DataError, match="are all over the file; give --samples-axis"):
        open_source([path], Reading(samples_axis=1 - reading.samples_axis))


def test_entries_in_no_order_and_twice(tmp_path):
    """As scipy takes them: several for one entry add up."""
    parts = compressed(DENSE, lambda entries: entries[::-1])
    path = write(tmp_path / "x.h5ad", DENSE, parts=parts)
    np.testing.assert_array_equal(rows_of(open_source([path])), DENSE)
    data, indices, ends = compressed(DENSE)
    twice = np.repeat(data, 2) / 2, np.repeat(indices, 2), 2 * ends
    path = write(tmp_path / "y.h5ad", DENSE, parts=twice)
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


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
def test_fits(tmp_path, operator):
    """What is computed is what comes of the dense matrix, mean and all."""
    sparse = write(tmp_path / "x.h5ad", DENSE, dtype="f8")
    write(tmp_path / "x.h5ad", DENSE[:, :9], dtype="f8", group="layers/some")
    with h5py.File(tmp_path / "dense.h5", "w") as file:
        file["X"] = DENSE.astype("f8")
    common = ("-k", 3, "--tol", 1e-10, "--operator", operator, "--no-checkpoint")
    run(3, "fit", f"{sparse}:X", *common, "-o", tmp_path / "a.h5").ok()
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
