"""Inputs that lack values, or are scaled: a regression on what plain numpy makes of them."""

import h5py
import numpy as np
import pytest
from launch import run

pytestmark = pytest.mark.once

RNG = np.random.default_rng(61)
N, D, Q = 180, 9, 5
X = RNG.standard_normal((N, D)) * np.geomspace(30, 1, D) + 4
Y = X @ RNG.standard_normal((D, 2)) @ RNG.standard_normal((2, Q)) + RNG.standard_normal((N, Q))
HOLES = X.copy()
HOLES[[3, 60, 60, 179], [2, 2, 7, 4]] = np.nan
GAPS = Y.copy()
GAPS[[60, 91], [0, 3]] = np.nan


def fitted(x, y, rank, ridge=0.0):
    """Coefficients and R² of reduced-rank ridge regression, by LAPACK."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    whole = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    s = y.T @ x @ whole
    vectors = np.linalg.eigh((s + s.T) / 2)[1][:, ::-1][:, :rank]
    weights = whole @ vectors @ vectors.T
    return weights, y_mean - x_mean @ weights


CASES = {
    "mean": (HOLES, Y, ("--nan", "mean")),
    "mean, scaled": (HOLES, Y, ("--nan", "mean", "--scale", "--ridge", 3.0)),
    "drop-columns": (HOLES, Y, ("--nan", "drop-columns")),
    "drop-rows": (HOLES, GAPS, ("--nan", "drop-rows")),
    "drop-rows, scaled": (HOLES, GAPS, ("--nan", "drop-rows", "--scale", "--ridge", 3.0)),
    "scaled": (X, Y, ("--scale", "--ridge", 3.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_fits(tmp_path, case):
    """Each on one operator, in turn."""
    x, y, words = CASES[case]
    operator = ("gram", "in-memory", "streaming")[list(CASES).index(case) % 3]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["y"] = x, y
    data, targets = f"{tmp_path}/x.h5:x", ("--targets", f"{tmp_path}/x.h5:y")
    out, ranks = tmp_path / "a.h5", 1 if operator == "gram" else 2
    how = (*words, "--operator", operator, "--tol", 1e-11)
    run(ranks, "regress", data, *targets, "-r", 2, *how, "-o", out).ok()
    run(2, "verify", out, data, *targets, "--tol", 1e-8).ok()
    run(2, "predict", out, data, "-o", tmp_path / "p.h5").ok()
    rows = np.ones(N, bool)
    if "drop-rows" in case:
        rows = ~(np.isnan(x).any(axis=1) | np.isnan(y).any(axis=1))
    taken = x[:, ~np.isnan(x).any(axis=0)] if case == "drop-columns" else x
    filled = np.where(np.isnan(taken), np.nanmean(taken[rows], axis=0), taken)
    scale = 1 / filled[rows].std(axis=0, ddof=1) if "scaled" in case else 1.0
    ridge = 3.0 if "scaled" in case else 0.0
    weights, intercept = fitted(filled[rows] * scale, y[rows], 2, ridge)
    expected = filled * scale @ weights + intercept
    lacking = np.isnan(x).any(axis=1) & ("drop-rows" in case)
    with h5py.File(tmp_path / "p.h5") as file:
        found = file["predictions"][...]
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), lacking)
    np.testing.assert_allclose(found[~lacking], expected[~lacking], rtol=1e-7, atol=1e-7)


def test_a_number_of_pairs_is_chosen_without_what_is_left_out(tmp_path):
    """And a run that was stopped goes on without it; other rows are measured without theirs."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["y"] = HOLES, GAPS
    data, targets = f"{tmp_path}/x.h5:x", ("--targets", f"{tmp_path}/x.h5:y")
    out = tmp_path / "a.h5"
    done = run(2, "regress", data, *targets, "-r", "auto", "--nan", "drop-rows", "-o", out).ok()
    assert "4 of 180 rows have missing values: left out" in done.stderr
    with h5py.File(out) as file:
        assert file.attrs["n_samples"] == N - 4
        assert file["left_out"][...].tolist() == [3, 60, 91, 179]
    shown = run(2, "verify", out, data, *targets, "--holdout").ok().stdout
    assert f"{N - 4} rows; the first" in shown
    planned = run(0, "plan", data, *targets, "-r", 2, "--nan", "mean", "--ranks", 1).ok().stdout
    assert "read from files: 2 ×" in planned
