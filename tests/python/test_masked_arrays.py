"""Masked entries are missing ones: refused, or filled as ``nan`` says, never data."""

import numpy as np
import pytest
from spectra import data_rows, power_law

import hpcpca
from hpcpca.sources.masked import unmasked

pytestmark = pytest.mark.once

N, D, K = 120, 8, 3
FILL = 1e20


@pytest.fixture
def holes():
    """(Rows with NaN, the same masked, with something else beneath.)"""
    rows = data_rows(power_law(D), N, seed=31) + 1
    mask = np.zeros(rows.shape, bool)
    mask[3::9, 2] = mask[5::11, 6] = True
    return np.where(mask, np.nan, rows), np.ma.array(np.where(mask, FILL, rows), mask=mask)


def variable(folder, masked, kind, **attributes):
    """A variable of netCDF4 with these values, stored as ``kind``."""
    netcdf = pytest.importorskip("netCDF4")
    file = netcdf.Dataset(folder / "rows.nc", "w")
    file.createDimension("time", N)
    file.createDimension("place", D)
    made = file.createVariable("rows", kind, ("time", "place"), fill_value=-999)
    made.setncatts(attributes)
    made[:] = masked
    return made


@pytest.mark.parametrize("form", ["array", "list", "variable"])
def test_masked_rows(holes, form, tmp_path):
    with_nan, masked = holes
    given = {
        "array": lambda: masked,
        "list": lambda: list(masked),
        "variable": lambda: variable(tmp_path, masked, "f8"),
    }[form]()
    with pytest.raises(ValueError, match="X: row 3, column 2 is NaN"):
        hpcpca.PCA(K).fit(given)
    wanted = hpcpca.PCA(K, nan="mean").fit(with_nan)
    found = hpcpca.PCA(K, nan="mean").fit(given)
    assert np.abs(found.components_ - wanted.components_).max() < 1e-9
    assert np.array_equal(found.transform(given), wanted.transform(with_nan))
    found.partial_fit(given)
    assert np.abs(found.mean_ - wanted.mean_).max() < 1e-9


def test_integers_with_a_scale(tmp_path):
    numbers = np.random.default_rng(32).integers(-99, 99, (N, D)).astype(np.int16)
    masked = np.ma.array(numbers * 0.5, mask=numbers > 95)
    packed = variable(tmp_path, masked, "i2", scale_factor=0.5)
    found = hpcpca.PCA(K, nan="mean").fit(packed)
    wanted = hpcpca.PCA(K, nan="mean").fit(masked.filled(np.nan))
    assert np.abs(found.components_ - wanted.components_).max() < 1e-9
    whole = np.ma.array(numbers, mask=numbers > 95)
    assert np.array_equal(unmasked(whole), np.where(numbers > 95, np.nan, numbers), equal_nan=True)
    assert unmasked(np.ma.array(numbers)).dtype == np.int16


def test_masked_targets(holes):
    _, masked = holes
    rows = data_rows(power_law(5), N, seed=33)
    estimator = hpcpca.ReducedRankRegression(1)
    for targets in (masked, masked[:, 2]):
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(rows, targets)
    estimator.fit(rows, masked.data[:, 0])
    with pytest.raises(ValueError, match="NaN"):
        estimator.score(rows, masked[:, 2])
    with pytest.raises(ValueError):
        hpcpca.PCA(K).fit(rows, row_weights=np.abs(masked[:, 2]))
