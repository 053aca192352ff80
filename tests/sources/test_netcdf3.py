"""NetCDF of the classic format, as scipy writes it."""

import subprocess
import sys

import numpy as np
import pytest
from launch import run
from scipy.io import netcdf_file

from hpcpca.errors import DataError
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

RNG = np.random.default_rng(6)
SHAPE = {"time": 30, "lat": 4, "lon": 7}
LATITUDES = np.array([-70.0, -20, 15, 60])


def write(path, variables, version=1, *, unlimited=True):
    """A file with ``variables`` {name: (dimensions, values, attributes)}."""
    with netcdf_file(path, "w", version=version) as file:
        for name, length in SHAPE.items():
            file.createDimension(name, None if name == "time" and unlimited else length)
        for name, (dimensions, values, attributes) in variables.items():
            made = file.createVariable(name, values.dtype, dimensions)
            made[:] = values
            for key, value in attributes.items():
                setattr(made, key, value)
    return str(path)


def rows_of(source):
    pieces = source.pieces(0, len(source.blocks), 300)
    return np.vstack([source.read(*place).rows.copy() for place in pieces])


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("unlimited", [True, False], ids=["records", "fixed"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "f4", "f8"])
def test_rows(tmp_path, dtype, unlimited, version):
    """Variables between others, records of odd length among them; along any axis."""
    field = (50 * RNG.standard_normal((30, 4, 7))).astype(dtype)
    flags = RNG.integers(0, 9, (30, 3)).astype("i1")
    variables = {
        "lat": (("lat",), LATITUDES, {"units": "degrees_north"}),
        "flag": (("time",), flags[:, 0], {}),
        "air": (("time", "lat", "lon"), field, {"long_name": "a field"}),
        "more": (("time",), flags[:, 1].astype("f8"), {}),
    }
    suffix = ".nc" if unlimited else ".ncdf"  # of Amber's trajectories
    path = write(tmp_path / f"x{suffix}", variables, version, unlimited=unlimited)
    source = open_source([path])
    assert (source.n, source.d, source.feature_shape) == (30, 28, (4, 7))
    assert source.dataset == "air" and source.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(rows_of(source), field.reshape(30, 28))
    turned = open_source([f"{path}:air"], Reading(samples_axis=2))
    np.testing.assert_array_equal(rows_of(turned), np.moveaxis(field, 2, 0).reshape(7, 120))
    with source.open(0) as opened:
        np.testing.assert_array_equal(opened.latitudes(), np.repeat(LATITUDES, 7))


def test_a_record_alone(tmp_path):
    """One variable of records is not padded."""
    field = RNG.integers(-100, 100, (30, 7)).astype("i1")
    path = write(tmp_path / "x.nc", {"a": (("time", "lon"), field, {})})
    np.testing.assert_array_equal(rows_of(open_source([path])), field)


def test_a_field_with_weights_and_a_mask(tmp_path):
    """Packed, too; compared with plain numpy."""
    stored = RNG.integers(-500, 500, (30, 4, 7)).astype("i2")
    stored[:, 1, :3] = -999
    packed = {"scale_factor": 0.1, "add_offset": 5.0, "missing_value": np.int16(-999)}
    variables = {
        "lat": (("lat",), LATITUDES, {"units": "degrees_north"}),
        "sst": (("time", "lat", "lon"), stored, packed),
    }
    path, out = write(tmp_path / "x.nc", variables), tmp_path / "a.h5"
    words = ("--nan", "drop-columns", "--column-weights", "coslat", "-k", 3, "-o", out)
    run(2, "fit", path, *words, "--tol", 1e-9).ok()
    shown = run(2, "verify", out, path).ok().stdout
    kept = (stored != -999).all(axis=0).ravel()
    roots = np.sqrt(np.repeat(np.cos(np.deg2rad(LATITUDES)), 7))
    rows = ((0.1 * stored + 5).reshape(30, 28) * roots)[:, kept]
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    found = [float(line.split()[1]) for line in shown.splitlines()[1:4]]
    np.testing.assert_allclose(found, values[:3], rtol=1e-5)
    listed = run(0, "info", path).ok().stdout
    assert "NetCDF-3, 2 variable(s)\n  sst: 30 × 4 × 7 int16\n  lat: 4 float64\n" in listed


@pytest.mark.parametrize("what", ["cut off", "header", "short", "two", "flat", "no such"])
def test_what_cannot_be_read(tmp_path, what):
    field = RNG.standard_normal((30, 4, 7))
    variables = {"a": (("time", "lat", "lon"), field, {})}
    if what == "two":
        variables["b"] = (("time", "lat", "lon"), field, {})
    if what == "flat":
        variables = {"a": (("time",), field[:, 0, 0], {})}
    path = write(tmp_path / "x.nc", variables)
    whole = (tmp_path / "x.nc").read_bytes()
    if what == "cut off":
        (tmp_path / "x.nc").write_bytes(whole[:-100])
    elif what == "header":
        (tmp_path / "x.nc").write_bytes(whole[:60])
    elif what == "short":
        (tmp_path / "x.nc").write_bytes(whole[:3])
    said = {
        "cut off": "is truncated",
        "header": "is not a NetCDF file that can be read",
        "short": "is not a NetCDF file that can be read",
        "two": "several variables that may be meant; name one",
        "flat": "no variable of two or more dimensions",
        "no such": "has no variable c; it has a",
    }
    with pytest.raises(DataError, match=said[what]):
        open_source([f"{path}:c" if what == "no such" else path])


def test_which_format_a_file_has_does_not_depend_on_what_was_imported_first(tmp_path):
    """A listing, and then a fit, in one process."""
    with netcdf_file(tmp_path / "x.nc", "w") as file:
        file.createDimension("t", 9)
        file.createDimension("x", 4)
        file.createVariable("v", "f8", ("t", "x"))[:] = np.random.default_rng(0).random((9, 4))
    script = (
        "import hpcpca.sources.netcdf3\n"
        "from hpcpca.sources.source import open_source\n"
        f"print(open_source(['{tmp_path}/x.nc']).title)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "9 × 4 float64" in done.stdout, done.stderr
