"""What is learnt of columns is exact, also of values that a run computes in single precision."""

import h5py
import numpy as np
import pytest
from launch import run

pytestmark = pytest.mark.once

TOTAL = 1e4


def rows_of(kind):
    random = np.random.default_rng(8)
    rows = np.exp(0.6 * random.standard_normal((500, 3)) @ random.standard_normal((3, 20)))
    rows *= np.exp(0.3 * random.standard_normal((500, 20)))
    rows = (rows + 1).clip(0, 200).astype(kind)
    if kind == "f4":
        rows[3, 5] = rows[9, 7] = np.nan
    return rows


def changed(rows, is_normalised):
    """Their values after --normalize-rows and --log1p, in double."""
    rows = rows.astype(float)
    if is_normalised:
        rows = rows * (TOTAL / np.nansum(rows, axis=1, keepdims=True))
    return np.log1p(rows)


@pytest.mark.parametrize("is_normalised", (False, True))
@pytest.mark.parametrize("kind", ("f4", "u1"))
def test_scale_and_means(tmp_path, kind, is_normalised):
    """And a run that goes on from a rough result in double is as exact as it says."""
    rows = rows_of(kind)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = rows
    options = ["--log1p", "--scale", "--nan", "mean", "--tol", "1e-3"]
    options += ["--normalize-rows", TOTAL] if is_normalised else []
    run(0, "fit", "x.h5", "-k", 3, *options, "-o", "out.h5", cwd=tmp_path).ok()
    values = changed(rows, is_normalised)
    means = np.nanmean(values, axis=0)
    values = np.where(np.isnan(values), means, values)
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["scale"][:] == pytest.approx(1 / values.std(axis=0, ddof=1), rel=1e-13)
        if kind == "f4":
            assert file["fill"][:] == pytest.approx(means, rel=1e-13)
    run(0, "resume", "out.h5", "--tol", "1e-10", cwd=tmp_path).ok()
    run(0, "verify", "out.h5", "x.h5", cwd=tmp_path).ok()
