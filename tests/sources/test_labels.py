"""Names along the axes of files of every format, and as results keep them."""

import h5py
import numpy as np
import pytest
from launch import batch
from spectra import data_rows, power_law

from hpcpca.files.result import Stored
from hpcpca.pca.features import of_result
from hpcpca.sources.formats import open_rows

pytestmark = pytest.mark.once

N, D = 40, 6
ROWS = data_rows(power_law(D), N)
GENES = [f"gène {k}" for k in range(D)]
CELLS = [f"cell {k}" for k in range(N)]
STRING = h5py.string_dtype()


def anndata(file, index="_index"):
    file["X"] = ROWS
    for name, values in (("obs", CELLS), ("var", GENES)):
        group = file.create_group(name)
        group.attrs["_index"] = index
        group.create_dataset(index, data=values, dtype=STRING)


def imported(file):
    file["X"] = ROWS
    file.create_dataset("column_names", data=GENES, dtype=STRING)


def loom(file):
    file["matrix"] = ROWS.T
    file.create_dataset("row_attrs/Gene", data=GENES, dtype=STRING)
    file.create_dataset("col_attrs/CellID", data=CELLS, dtype=STRING)


def table(file):
    kinds = [(f"f{k}", "f8") for k in range(D)]
    file["t"] = np.array([tuple(row) for row in ROWS], kinds)


def netcdf(file):
    item = file.create_dataset("v", data=ROWS.reshape(N, 2, 3))
    for axis, (name, values) in enumerate(
        {"time": np.arange(N), "lat": np.array([10.0, 20]), "lon": np.array([0.0, 5, 10])}.items()
    ):
        file[name] = values
        file[name].make_scale(name)
        item.dims[axis].attach_scale(file[name])
    file["lat"].attrs["units"] = "degrees_north"


def ten_x(file):
    group = file.create_group("matrix")
    group["data"], group["indices"] = np.ones(N, "i4"), np.arange(N) % D
    group["indptr"], group["shape"] = np.arange(N + 1), np.array([D, N])
    group.create_dataset("features/name", data=GENES, dtype=STRING)
    group.create_dataset("barcodes", data=CELLS, dtype=STRING)


def plain(file):
    file["X"] = ROWS


MADE = {"anndata": anndata, "imported": imported, "loom": loom, "table": table}
MADE |= {"netcdf": netcdf, "10x": ten_x, "plain": plain}
FITTED = {
    "anndata": [],
    "imported": ["--columns", "4,1"],
    "loom": ["--samples-axis", 1],
    "table": [],
    "netcdf": [],
    "plain": [],
}
DATASETS = {"loom": "matrix", "table": "t", "netcdf": "v", "10x": "matrix"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("labels")
    for name, make in MADE.items():
        with h5py.File(here / f"{name}.h5", "w") as file:
            make(file)
    words = {
        name: ("fit", f"{name}.h5:{DATASETS.get(name, 'X')}", "-k", 1, "-o", f"of {name}", *options)
        for name, options in FITTED.items()
    }
    for done in batch(2, words, cwd=here).values():
        done.ok()
    return here


def axes(folder, name):
    with open_rows(str(folder / f"{name}.h5"), DATASETS.get(name, "X"), least=1) as opened:
        return opened.axes()


def test_axes(folder):
    """Of both, in the order of the file; nothing of what has no names."""
    for name in ("anndata", "10x", "loom"):
        found = axes(folder, name)
        expected = [CELLS, GENES] if name == "anndata" else [GENES, CELLS]
        assert [axis.words() for axis in found] == expected, name
    assert axes(folder, "imported")[1].words() == GENES
    assert axes(folder, "table")[1].words() == [f"f{k}" for k in range(D)]
    assert [axis.values for axis in axes(folder, "plain")] == [None, None]
    time, lat, lon = axes(folder, "netcdf")
    assert (time.name, lat.name, lat.units, lon.words()) == (
        "time",
        "lat",
        "degrees_north",
        ["0", "5", "10"],
    )


def test_what_results_keep(folder):
    """Names of the columns that were taken; coordinates of each axis."""
    found = {name: of_result(Stored(str(folder / f"of {name}"))) for name in FITTED}
    assert found["anndata"].names == found["loom"].names == GENES
    assert found["imported"].names == [GENES[4], GENES[1]] and found["imported"].name(0) == GENES[4]
    assert found["table"].names == [f"f{k}" for k in range(D)]
    assert found["plain"].names is None and found["plain"].name(3) == "3"
    assert found["netcdf"].names is None and found["netcdf"].name(4) == "20, 5"
    with h5py.File(folder / "of netcdf") as file:
        np.testing.assert_array_equal(file["features/lon"], [0, 5, 10])


def test_classic_files(tmp_path):
    """NetCDF-3, as scipy writes it."""
    scipy = pytest.importorskip("scipy.io")
    with scipy.netcdf_file(tmp_path / "x.nc", "w") as file:
        file.createDimension("time", N)
        file.createDimension("site", D)
        file.createVariable("v", "f8", ("time", "site"))[:] = ROWS
        variable = file.createVariable("site", "f4", ("site",))
        variable[:], variable.units = np.arange(D), "km"
    with open_rows(str(tmp_path / "x.nc"), "v") as opened:
        time, site = opened.axes()
    assert (time.name, time.values, site.name, site.units) == ("time", None, "site", "km")
    assert site.words() == [str(k) for k in range(D)]
