"""Which dataset is meant, which files are data, and what must not pass unnoticed about either."""

import os
import re

import h5py
import numpy as np
import pytest
from launch import batch, run

from hpcpca.errors import DataError
from hpcpca.sources.contents import contents
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once


ROWS = np.random.default_rng(4).standard_normal((60, 20))


def put(path, **datasets):
    """Write a file of datasets; "a__b" is a/b."""
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            file[name.replace("__", "/")] = array
    return str(path)


def put_sparse(path, name, values, encoding=None, shape=(60, 1000)):
    """Add a sparse matrix of so many values: as anndata does, or as 10x without an encoding."""
    with h5py.File(path, "a") as file:
        for member in ("data", "indices", "indptr"):
            file[f"{name}/{member}"] = np.ones(values)
        if encoding:
            file[name].attrs.update({"encoding-type": encoding, "shape": shape})
        else:
            file[f"{name}/shape"] = shape


def refused(data):
    """What is said of data that are not clear."""
    with pytest.raises(DataError) as caught:
        open_source([data])
    return str(caught.value)


def test_the_largest_is_taken_if_all_others_are_small(tmp_path):
    path = put(
        tmp_path / "x.h5",
        big=ROWS,
        a__small=ROWS[:1, :11],
        flat=np.zeros(9000),
        text=np.full((900, 30), "x", "S1"),
    )
    assert open_source([path]).dataset == "big"
    with h5py.File(path, "a") as file:
        file["a/more"] = ROWS[:1, :12]  # 1 %
    assert (
        refused(path) == f"{path} holds several datasets that may be meant: big (60 × 20 float64), "
        "a/more (1 × 12 float64), a/small (1 × 11 float64); "
        f"name one: {path}:big, {path}:a/more, {path}:a/small"
    )
    assert open_source([f"{path}:big"]).n == 60


def test_sparse_matrices_may_be_meant(tmp_path):
    path = put(tmp_path / "x.h5ad", obsm__X_pca=ROWS, obsm__X_umap=ROWS[:, :2])
    put_sparse(path, "X", 3000, "csr_matrix")
    said = refused(path)
    assert (
        "meant: X (60 × 1000 with 3000 values, sparse CSR), obsm/X_pca (60 × 20 float64), " in said
    )
    assert f"name one: {path}:X, {path}:obsm/X_pca, {path}:obsm/X_umap" in said
    path = put(tmp_path / "dense.h5ad", X=ROWS)
    put_sparse(path, "obsp/connectivities", 11, "csc_matrix", (60, 60))
    assert open_source([path]).dataset == "X"


def test_data_of_more_dimensions_are_meant(tmp_path):
    """If they are by far the largest, as in NetCDF files with bounds of their times."""
    path = put(tmp_path / "air.nc", air=np.zeros((24, 37, 49), "f4"), time_bnds=np.zeros((24, 2)))
    source = open_source([path])
    assert source.title == "air, 24 × (37 × 49) float32 in 1 file(s)"


def test_what_cannot_be_read_may_be_meant(tmp_path):
    path = put(tmp_path / "x.h5", waves=ROWS * 1j, more=ROWS[:, :8] * 1j)
    assert refused(path).endswith(
        "more (60 × 8 complex128, cannot be read); none of them can be read: name another file"
    )


def test_info_lists_all_that_is_there(tmp_path):
    path = put(tmp_path / "x.h5", cube=np.zeros((60, 4, 50)), flat=ROWS, one=ROWS[0], text=b"text")
    put_sparse(path, "X", 3000, "csr_matrix")
    lines = run(0, "data", "info", path).ok().stdout.splitlines()
    assert [re.split(", [0-9.]+ KiB", line)[0] for line in lines[1:]] == [
        "  cube: 60 rows × (4 × 50) float64",
        "  X: 60 × 1000 with 3000 values, sparse CSR",
        "  flat: 60 rows × 20 columns float64",
        "  one: 20 float64, 1-D",
        "  text: scalar text",
    ]
    put(path, **{f"s{number:02}": number for number in range(25)})
    lines = run(0, "info", path).ok().stdout.splitlines()
    assert lines[20:] == ["  s19: scalar int64", "  … 25 in all"]


def test_types_that_numpy_does_not_have_are_listed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        h5py.h5d.create(file.id, b"T", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((3, 4)))
        assert contents(file)[0].words == "3 × 4 of an unknown type, cannot be read"


def test_warnings_about_files_are_said_once(tmp_path):
    """By every command; of datasets with different names, and of a file given by two names."""
    one, other = put(tmp_path / "a.h5", X=ROWS), put(tmp_path / "b.h5", Y=ROWS)
    link, result = tmp_path / "c.h5", tmp_path / "pca.h5"
    os.symlink(one, link)
    warnings = (
        "hpcpca: warning: datasets of different names are taken: X, Y\n",
        f"hpcpca: warning: {link}:X is given twice, also as {one}: its rows count twice\n",
    )
    data = (one, link, other)
    done = batch(
        2,
        {
            "fit": ("fit", *data, "-k", 2, "-o", result),
            "verify": ("verify", result, *data),
            "transform": ("transform", result, *data, "-o", tmp_path / "scores.h5"),
            "shard": ("data", "shard", *data, "-o", tmp_path / "z.h5"),
            "check": ("data", "check", *data),
        },
    )
    done["plan"] = run(0, "plan", *data, "-k", 2)
    for name, each in done.items():
        assert [each.stderr.count(text) for text in warnings] == [1, 1], (name, each.stderr)
    assert "data: X, Y, 180 × 20 float64 in 3 file(s); " in done["fit"].ok().stderr


def test_a_run_does_not_take_its_own_files_for_data(tmp_path):
    """Nor does what is done with its result. A file that is named, or not ours, is not left out."""
    here = tmp_path / "here"
    here.mkdir()
    for name in "ab":
        put(here / f"{name}.h5", X=ROWS)
    fit = ("-k", 2, "-o", "pca.h5", "--overwrite")
    slow = (*fit, "--exchange", "vectors", "--max-rounds", 1, "--checkpoint-every", "1r")
    done = batch(
        1,
        {
            "foreign": ("fit", "*.h5", "-k", 2, "-o", "b.h5", "--overwrite"),
            "first": ("fit", "*.h5", *fit),
            "again": ("fit", "*.h5", *fit),
            "folder": ("fit", ".", *slow),
            "all": ("fit", "*", *slow),
            "resume": ("resume", "pca.h5.ckpt", "--max-rounds", 5000),
            "named": ("fit", "a.h5", "pca.h5", *fit),
            "verify": ("verify", "pca.h5", "*.h5"),
            "more": ("resume", "pca.h5", "-o", "on.h5", "--tol", 1e-7),
        },
        cwd=here,
    )
    os.remove(here / "on.h5")
    transform = ("transform", "pca.h5", "*.h5", "-o", "scores.h5", "--overwrite")
    done |= batch(1, {"transform": transform, "transform again": transform}, cwd=here)
    os.remove(here / "scores.h5")
    done["plan"] = run(0, "plan", "*.h5", "-k", 2, "-o", "pca.h5", cwd=here)
    codes = {name: each.code for name, each in done.items()}
    assert codes == {**dict.fromkeys(done, 0), "foreign": 2, "folder": 4, "all": 4, "named": 3}
    left_out = "pca.h5 is left out of the data"
    said = {name: each.stderr.count(left_out) for name, each in done.items()}
    assert said == {**dict.fromkeys(done, 1), "foreign": 0, "first": 0, "named": 0}
    assert "would overwrite the data" in done["foreign"].stderr
    assert "is a file of hpcpca itself" in done["named"].stderr


def test_references_as_in_cells_of_matlab(tmp_path):
    """What they lead to is named."""
    path = put(tmp_path / "x.mat", a__trial=ROWS, b=ROWS)
    with h5py.File(path, "a") as file:
        to = [[file["a/trial"].ref], [file["b"].ref], [h5py.Reference()]]
        file.create_dataset("cell", data=np.array(to, h5py.ref_dtype), dtype=h5py.ref_dtype)
        assert "3 × 1 references" in next(
            f"{each.words}" for each in contents(file) if each.name == "cell"
        )
    assert refused(f"{path}:cell") == (
        f"{path}:cell holds 2 reference(s), as MATLAB's cells do; name what they lead to:"
        f" {path}:a/trial {path}:b"
    )
