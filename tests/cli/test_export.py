"""``hpcpca export``: what other programs read is what the result has."""

import csv
import warnings

import h5py
import numpy as np
import pytest
from launch import batch, run
from spectra import data_rows, power_law

from hpcpca.export import rows as pieces

pytestmark = pytest.mark.once

N, D, K = 300, 12, 3
GENES = ["a,b", 'c"d', *(f"gène {k}" for k in range(D - 2))]
CELLS = [f"cell {k}" for k in range(N)]
STRING = h5py.string_dtype()


def rows(seed=0):
    return data_rows(power_law(D), N, seed=seed) + 3


def frame(file, name, values):
    group = file.create_group(name)
    group.attrs.update(
        {"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"}
    )
    group.attrs.create("column-order", np.array([], dtype=object), dtype=STRING)
    group.create_dataset("_index", data=values, dtype=STRING)
    group["_index"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results and scores of AnnData, a climate field, and plain rows in both types."""
    here = tmp_path_factory.mktemp("export")
    with h5py.File(here / "cells.h5ad", "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        file["X"] = rows()
        file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        frame(file, "obs", CELLS)
        frame(file, "var", GENES)
    with h5py.File(here / "field.nc", "w") as file:
        item = file.create_dataset("t2m", data=rows().reshape(N, 3, 4))
        coordinates = {"time": np.arange(N) * 6.0, "lat": np.array([10.0, 20, 30])}
        coordinates["lon"] = np.array([0.0, 90, 180, 270])
        for axis, (name, values) in enumerate(coordinates.items()):
            file[name] = values
            file[name].make_scale(name)
            item.dims[axis].attach_scale(file[name])
        file["lat"].attrs["units"], file["time"].attrs["units"] = (
            "degrees_north",
            "hours since 2000",
        )
    with h5py.File(here / "x.h5", "w") as file:
        file["X"] = rows().astype("f4")
    fits = {
        "cells": ("cells.h5ad",),
        "some": ("cells.h5ad", "--columns", "7,1,5,9"),
        "field": ("field.nc:t2m",),
        "part": ("field.nc:t2m", "--columns", "0:9"),
        "plain": ("x.h5",),
        "scaled": ("field.nc:t2m", "--scale", "--column-weights", "coslat", "--columns", "0:9"),
        "whole": ("cells.h5ad", "--scale"),
    }
    words = {}
    for name, each in fits.items():
        words[name] = ("fit", *each, "-k", K, "-o", f"{name}.h5")
        words[name, 1] = ("transform", f"{name}.h5", each[0], "-o", f"{name}.scores")
    words["errors"] = ("reconstruct", "plain.h5", "x.h5", "--errors", "-o", "errors.h5")
    for done in batch(1, words, cwd=here).values():
        done.ok()
    return here


def read(path, *names):
    with h5py.File(path) as file:
        found = [file[name][...] for name in names]
    return found if len(found) > 1 else found[0]


def exported(folder, *words, code=0):
    """Run it here, without the start of a process."""
    return run(1, "export", *words, cwd=folder).ended(code)


def test_npy(folder, tmp_path, monkeypatch):
    """Of any dataset, to the bit; in pieces."""
    for name, text, of in (
        ("v", "plain.h5", "components"),
        ("s", "plain.scores", "scores"),
        ("e", "errors.h5", "row_errors"),
        ("l", "plain.h5:explained_variance", "explained_variance"),
        ("t", "field.nc:t2m", "t2m"),
    ):
        out = tmp_path / f"{name}.npy"
        exported(folder, text, "-o", out, "--memory", "400" if name == "t" else "64M")
        found, should = np.load(out), read(folder / text.partition(":")[0], of)
        np.testing.assert_array_equal(found, should)
        assert found.dtype == should.dtype and found.shape == should.shape


def test_csv(folder, tmp_path):
    """Numbers are the same again; names are quoted; components stand in columns."""
    for name in ("cells.h5", "cells.scores", "plain.scores"):
        exported(folder, name, "-o", tmp_path / f"{name}.csv")
    exported(folder, "cells.h5:mean", "-o", tmp_path / "mean.csv")
    exported(folder, "field.h5", "-o", tmp_path / "field.csv")

    def table(name):
        with open(tmp_path / f"{name}.csv", encoding="utf-8", newline="") as file:
            head, *lines = csv.reader(file)
        return head, [line[0] for line in lines], np.array([line[1:] for line in lines], float)

    head, names, values = table("cells.h5")
    assert head == ["feature", *(f"component_{k}" for k in range(K))] and names == GENES
    np.testing.assert_array_equal(values.T, read(folder / "cells.h5", "components"))
    head, names, values = table("cells.scores")
    assert head[0] == "obs" and names == CELLS
    np.testing.assert_array_equal(values, read(folder / "cells.scores", "scores"))
    head, names, values = table("plain.scores")
    assert head[0] == "row" and names[:2] == ["0", "1"]
    single = read(folder / "plain.scores", "scores")
    np.testing.assert_array_equal(values.astype("f4"), single)
    assert single.dtype == np.float32
    assert table("mean")[:2] == (["feature", "mean"], GENES)
    assert table("field")[1][5] == "20, 90"


def test_anndata(folder, tmp_path):
    """As the package reads it: new, and added to what is there; of some columns the others are 0;
    scores to the bit.
    """
    anndata = pytest.importorskip("anndata")
    words = ("--scores", "cells.scores", "-o", tmp_path / "new.h5ad")
    exported(folder, "cells.h5", *words)
    (tmp_path / "there.h5ad").write_bytes((folder / "cells.h5ad").read_bytes())
    into = ("--into", tmp_path / "there.h5ad")
    exported(folder, "cells.h5", "--scores", "cells.scores", *into)
    exported(folder, "some.h5", *into, code=3)  # has PCs already
    exported(folder, "some.h5", "-o", tmp_path / "some.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new, there, some = (
            anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("new", "there", "some")
        )
    vectors, variance = read(folder / "cells.h5", "components", "explained_variance")
    for each in (new, there):
        np.testing.assert_array_equal(each.varm["PCs"].T, vectors)
        np.testing.assert_array_equal(each.obsm["X_pca"], read(folder / "cells.scores", "scores"))
        np.testing.assert_array_equal(each.uns["pca"]["variance"], variance)
        assert each.uns["pca"]["params"]["zero_center"]
        assert list(each.obs_names) == CELLS and list(each.var_names) == GENES
    np.testing.assert_array_equal(there.X, rows())
    assert new.X is None and some.n_obs == 0
    whole = np.zeros((D, K))
    whole[[7, 1, 5, 9]] = read(folder / "some.h5", "components").T
    np.testing.assert_array_equal(some.varm["PCs"], whole)
    exported(folder, "some.h5", *into, "--overwrite")
    np.testing.assert_array_equal(read(tmp_path / "there.h5ad", "varm/PCs"), whole)
    np.testing.assert_array_equal(read(tmp_path / "there.h5ad", "X"), rows())


def test_netcdf(folder, tmp_path):
    """As xarray and the NetCDF library read it: dimensions, coordinates, units, missing values."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    exported(folder, "field.h5", "--scores", "field.scores", "-o", tmp_path / "f.nc")
    exported(folder, "part.h5", "-o", tmp_path / "part.nc")
    exported(folder, "cells.h5", "--scores", "cells.scores", "-o", tmp_path / "cells.nc")
    with xarray.open_dataset(tmp_path / "f.nc", engine="netcdf4", decode_times=False) as found:
        assert dict(found.sizes) == {"component": K, "lat": 3, "lon": 4, "time": N}
        assert found["components"].dims == ("component", "lat", "lon")
        assert found["scores"].dims == ("time", "component")
        assert found["lat"].attrs["units"] == "degrees_north"
        assert found["time"].values[-1] == (N - 1) * 6
        value = found["components"].sel(component=1, lat=20, lon=90).item()
        assert value == read(folder / "field.h5", "components")[1, 5]
        np.testing.assert_array_equal(found["scores"], read(folder / "field.scores", "scores"))
        again = found["components"].values.reshape(K, D)
        again = (rows() - found["mean"].values.ravel()) @ again.T
        assert np.abs(again - found["scores"].values).max() < 1e-12 * np.abs(again).max()
    with xarray.open_dataset(tmp_path / "part.nc", engine="netcdf4") as found:
        assert np.isnan(found["components"]).sum().item() == 3 * K
    with xarray.open_dataset(tmp_path / "cells.nc", engine="netcdf4") as found:
        assert list(found["var"].values) == GENES and list(found["obs"].values[:2]) == CELLS[:2]


def test_scale(folder, tmp_path):
    """What columns were multiplied by goes with what is in those units, and makes scores of rows;
    files that have no room for it say where it is.
    """
    xarray = pytest.importorskip("xarray")
    exported(folder, "scaled.h5", "--scores", "scaled.scores", "-o", tmp_path / "s.nc")
    with xarray.open_dataset(tmp_path / "s.nc", engine="netcdf4", decode_times=False) as found:
        assert found["scale"].dims == ("lat", "lon")
        assert np.isnan(found["scale"]).sum() == 3 and found["scale"].attrs["long_name"]
        for name in ("components", "mean"):
            assert "times scale" in found[name].attrs["long_name"]
        with xarray.open_dataset(folder / "field.nc", decode_times=False) as data:
            left = data["t2m"] * found["scale"] - found["mean"]
        again = (left * found["components"]).sum(("lat", "lon"))
        assert np.abs(again - found["scores"]).max() < 1e-12 * np.abs(again).max()
    scale = read(folder / "whole.h5", "scale")
    np.testing.assert_allclose(scale, 1 / rows().std(axis=0, ddof=1))
    into = ("-o", tmp_path / "s.h5ad")
    exported(folder, "whole.h5", *into)
    np.testing.assert_array_equal(read(tmp_path / "s.h5ad", "varm/PCs_scale")[:, 0], scale)
    exported(folder, "cells.h5", "--into", into[1], "--overwrite")
    with h5py.File(tmp_path / "s.h5ad") as file:
        assert "PCs_scale" not in file["varm"]
    for name, told in {"whole.h5": 1, "whole.h5:mean": 1, "cells.h5": 0, "whole.scores": 0}.items():
        for suffix in ("npy", "csv"):
            done = exported(folder, name, "-o", tmp_path / f"{name}.{suffix}")
            assert ("whole.h5:scale has it" in str(done)) == bool(told), done


def test_netcdf_by_another_library(folder, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    exported(folder, "plain.h5", "--scores", "plain.scores", "-o", tmp_path / "p.nc")
    with xarray.open_dataset(tmp_path / "p.nc", engine="h5netcdf") as found:
        assert dict(found.sizes) == {"component": K, "feature": D, "sample": N}
        np.testing.assert_array_equal(found["components"], read(folder / "plain.h5", "components"))


def test_what_cannot_be_exported(folder, tmp_path):
    (tmp_path / "text.npy").write_text("notes")
    (tmp_path / "old.npy").write_bytes(b"\x93NUMPY")
    out = ("-o", tmp_path / "a.npy")
    cases = {
        ("plain.h5",): (2, "one of -o FILE and --into"),
        ("plain.h5", "-o", "a.xls"): (2, "a name ends in .npy"),
        ("no.h5", *out): (3, "no such file"),
        ("x.h5", *out): (3, "x.h5:DATASET"),
        ("plain.h5:component", *out): (3, "did you mean components?"),
        ("plain.h5:standing", *out): (3, "strings"),
        ("plain.h5", "--scores", "plain.scores", *out): (2, "one array"),
        ("plain.h5", "-o", tmp_path / "text.npy", "--overwrite"): (3, "is no .npy file"),
        ("plain.h5", "-o", tmp_path / "old.npy"): (3, "--overwrite"),
        ("plain.h5", *out, "--memory", "100"): (2, "--memory 100 B is too little"),
        ("plain.h5:mean", "-o", "a.nc"): (2, "leave :mean out"),
        ("plain.h5", "--scores", "cells.scores", "-o", "a.nc"): (3, "other components"),
        ("plain.h5", "--into", "cells.h5"): (2, "only .h5ad files"),
        ("plain.h5", "--into", "no.h5ad"): (3, "no such file"),
        ("field.h5", "--scores", "field.scores", "--into", "few.h5ad"): (3, "has 5 observations"),
    }
    with h5py.File(folder / "few.h5ad", "w") as file:
        frame(file, "obs", CELLS[:5])
        frame(file, "var", GENES)
    before = (folder / "few.h5ad").read_bytes()
    done = batch(1, {words: ("export", *words) for words in cases}, cwd=folder)
    for words, each in done.items():
        code, told = cases[words]
        assert len(each.ended(code).messages) == 1 and told in each.messages[0], (words, each)
    assert not (tmp_path / "a.npy").exists() and (folder / "few.h5ad").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]


def test_pieces(folder):
    """A small memory gives many of them, all of which are the whole."""
    with pieces.reading(str(folder / "plain.scores"), 2 * 4 * K * 7) as found:
        starts, some = zip(*found.pieces())
    assert starts[:3] == (0, 7, 14) and max(map(len, some)) == 7
    np.testing.assert_array_equal(np.concatenate(some), read(folder / "plain.scores", "scores"))
