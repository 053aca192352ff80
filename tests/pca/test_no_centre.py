"""Rows as they are: components and singular values are those of numpy's SVD of the rows."""

import h5py
import numpy as np
import pytest
from launch import run
from sparse_files import write

pytestmark = pytest.mark.once

RNG = np.random.default_rng(31)
OPERATORS = ["gram", "in-memory", "mapped", "streaming", "sparse"]
ROWS = np.where(RNG.random((160, 14)) < 0.6, RNG.standard_normal((160, 14)) + 3, 0)
ROWS *= np.geomspace(3, 1, 14)


def written(path, rows, is_sparse):
    if is_sparse:
        return f"{write(path, rows, dtype=rows.dtype.str[1:])}:X"
    with h5py.File(path, "w") as file:
        file["x"] = rows
    return path


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("operator", OPERATORS)
def test_fits(tmp_path, operator, dtype):
    rows = (100 * ROWS).astype(dtype)
    data, out = written(tmp_path / "x.h5", rows, operator == "sparse"), tmp_path / "a.h5"
    how = ("--no-centre", "--operator", operator, "--tol", 1e-10, "-k", 3)
    run(1 if operator == "gram" else 3, "fit", data, *how, "-o", out).ok()
    run(2, "verify", out, data, "--tol", 1e-9).ok()
    _, values, vectors = np.linalg.svd(rows.astype(float), full_matrices=False)
    with h5py.File(out) as file:
        found = file["components"][...]
        np.testing.assert_allclose(file["singular_values"], values[:3], rtol=1e-10)
        np.testing.assert_allclose(file["explained_variance"], values[:3] ** 2 / 160, rtol=1e-10)
        np.testing.assert_allclose(np.abs((found * vectors[:3]).sum(axis=1)), 1, rtol=1e-10)
        total = (rows.astype(float) ** 2).sum() / 160
        np.testing.assert_allclose(file.attrs["total_variance"], total, rtol=1e-12)
        assert not file["mean"][...].any()
    run(1, "transform", out, data, "-o", tmp_path / "s.h5").ok()
    with h5py.File(tmp_path / "s.h5") as file:
        expected = rows @ found.T
        accuracy = 1e-6 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(file["scores"], expected, atol=accuracy * expected.max())


def test_as_many_as_rows(tmp_path):
    """No degree of freedom is lost with the mean."""
    data, out = written(tmp_path / "x.h5", ROWS[:4], False), tmp_path / "a.h5"
    run(1, "fit", data, "-k", 4, "-o", out).ended(2)
    run(1, "fit", data, "--rows", 3, "--no-centre", "-k", 1, "-o", tmp_path / "one.h5").ok()
    run(1, "verify", tmp_path / "one.h5", data).ok()
    run(1, "fit", data, "--no-centre", "-k", 4, "-o", out).ok()
    with h5py.File(out) as file:
        expected = np.linalg.svd(ROWS[:4], compute_uv=False)
        np.testing.assert_allclose(file["singular_values"], expected, rtol=1e-9)


def test_goes_on_from_a_stop(tmp_path):
    """A pass over files that was stopped knows that there is no mean."""
    data, out = written(tmp_path / "x.h5", ROWS, False), tmp_path / "a.h5"
    how = ("--no-centre", "--operator", "streaming", "--tol", 1e-10, "-k", 2, "--guards", 0)
    run(2, "fit", data, *how, "--max-rounds", 1, "-o", out).ended(4)
    run(3, "resume", out, "--max-rounds", 300).ok()
    run(1, "verify", out, data, "--tol", 1e-9).ok()


def test_on_mini_batches(tmp_path):
    """Single batches are noisy; the exact pass after them is not."""
    data, out = written(tmp_path / "x.h5", ROWS, False), tmp_path / "a.h5"
    how = ("--no-centre", "--batch-rows", 60, "--max-rounds", 300, "--polish", "-k", 1)
    run(2, "fit", data, *how, "-o", out)
    with h5py.File(out) as file:
        vector = np.linalg.svd(ROWS, full_matrices=False)[2][0]
        assert abs(file["components"][0] @ vector) > 0.999


def test_what_has_no_mean_to_leave(tmp_path):
    data, out = written(tmp_path / "x.h5", ROWS[:14], False), tmp_path / "a.h5"
    said = run(1, "fit", data, "--covariance", "--no-centre", "-k", 1, "-o", out).ended(2).stderr
    assert "leave --no-centre out" in said
    said = run(1, "fit", data, "--no-centre", "-k", 0.9, "-o", out).ended(2).stderr
    assert "give a number with --no-centre" in said
