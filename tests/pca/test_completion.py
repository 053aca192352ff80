"""EM for PCA of rows with missing values, against least squares by LAPACK, row by row, and PCA of
complete rows.
"""

import h5py
import numpy as np
import pytest
from launch import run

from hpcpca.sources.completion import Model

pytestmark = pytest.mark.once

RNG = np.random.default_rng(41)
N, D, K = 240, 18, 3


def with_holes(noise, share=0.15, scale=1.0):
    """Rows of rank 3 and noise, on a mean, and the same with values missing."""
    axes = np.linalg.qr(RNG.standard_normal((D, K)))[0].T * [[6.0], [4.0], [2.5]]
    whole = RNG.standard_normal((N, K)) @ axes + 5 + noise * RNG.standard_normal((N, D))
    whole *= scale
    holes = RNG.random((N, D)) < share
    holes[:, 0] = False
    return whole, np.where(holes, np.nan, whole)


def completed(rows, mean, components):
    """By LAPACK's least squares, row by row."""
    found = rows.copy()
    for row in found:
        known = ~np.isnan(row)
        z = np.linalg.lstsq(components[:, known].T, (row - mean)[known], rcond=1e-10)[0]
        row[~known] = (mean + z @ components)[~known]
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_are_completed_by_least_squares(monkeypatch, dtype):
    """Also those that have fewer values than there are components, or none."""
    monkeypatch.setattr("hpcpca.sources.completion.TILE_BYTES", 1000)
    _, rows = with_holes(0.3, 0.4)
    rows = rows.astype(dtype)
    rows[3, 2:], rows[8] = np.nan, np.nan
    mean, components = RNG.standard_normal(D), np.linalg.qr(RNG.standard_normal((D, K)))[0].T
    expected, found = completed(rows.astype(float), mean, components), rows.copy()
    Model(mean, components).complete(found)
    accuracy = 1e-8 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found, expected, rtol=accuracy, atol=accuracy)
    np.testing.assert_array_equal(found[~np.isnan(rows)], rows[~np.isnan(rows)])


def by_lapack(rows, count, readings=3000):
    """The same EM with all of Σ's eigenvectors in every step."""
    mean, components = np.nanmean(rows, axis=0), np.zeros((0, rows.shape[1]))
    for _ in range(readings):
        filled = completed(rows, mean, components)
        mean, before = filled.mean(axis=0), components
        components = np.linalg.svd(filled - mean, full_matrices=False)[2][:count]
        if len(before) and np.linalg.norm(components - components @ before.T @ before) < 1e-11:
            break
    return completed(rows, mean, components)


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
@pytest.mark.parametrize("is_scaled", [False, True], ids=["", "scaled"])
def test_fits(tmp_path, operator, is_scaled):
    """What all components explain of the values that are known cannot be explained better; the
    result is the PCA of completed rows. A column that has no value is left out.
    """
    _, rows = with_holes(0.4)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.insert(rows, 4, np.nan, axis=1)
    out, ranks = tmp_path / "a.h5", 1 if operator == "gram" else 3
    words = ("--nan", "em", "--operator", operator, "--tol", 1e-9, *("--scale",) * is_scaled)
    begun = run(ranks, "fit", tmp_path / "x.h5", *words, "-k", K, "-o", out).ok()
    assert "missing values:" in begun.stderr and "of where this ends" in begun.stderr
    if is_scaled:
        rows = rows / np.nanstd(rows, axis=0, ddof=1)
    filled = by_lapack(rows, K)
    values, vectors = np.linalg.eigh(np.cov(filled.T))
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["explained_variance"], values[::-1][:K], rtol=1e-7)
        found = file["components"][...]
        cosines = np.abs((found * vectors.T[::-1][:K]).sum(axis=1))
        np.testing.assert_allclose(cosines, 1, rtol=1e-10)
        np.testing.assert_allclose(file["mean"], filled.mean(axis=0), rtol=1e-7)
        assert file.attrs["completion_error"] <= 1e-9
        assert file["columns"][...].tolist() == np.delete(np.arange(D + 1), 4).tolist()
    run(2, "verify", out, tmp_path / "x.h5", "--tol", 1e-7).ok()
    run(1, "transform", out, tmp_path / "x.h5", "-o", tmp_path / "s.h5").ok()
    with h5py.File(tmp_path / "s.h5") as scores:
        expected = (filled - filled.mean(axis=0)) @ found.T
        np.testing.assert_allclose(scores["scores"], expected, atol=1e-6)


def test_what_was_of_low_rank_is_found_again(tmp_path):
    """Without noise, the values that are missing are those that were there."""
    whole, rows = with_holes(0.0, 0.2)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = rows
    out = tmp_path / "a.h5"
    run(2, "fit", tmp_path / "x.h5", "--nan", "em", "-k", K, "--tol", 1e-10, "-o", out).ok()
    with h5py.File(out) as file:
        model = Model(file["fill"][...], file["fill_components"][...])
    found = rows.copy()
    model.complete(found)
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_goes_on_from_a_stop(tmp_path):
    """With the model that there was."""
    _, rows = with_holes(0.4, 0.4)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = rows
    out = tmp_path / "a.h5"
    how = ("--nan", "em", "-k", K, "--tol", 1e-8, "--guards", 0, "--operator", "streaming")
    run(2, "fit", tmp_path / "x.h5", *how, "--max-rounds", 1, "-o", out).ended(4)
    ended = run(3, "resume", out, "--max-rounds", 500).ok()
    assert "missing values: 2 readings" in ended.stderr or "missing values: 1 r" in ended.stderr


def test_what_em_cannot_do(tmp_path):
    _, rows = with_holes(0.1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = rows
    out = tmp_path / "a.h5"
    said = run(1, "fit", tmp_path / "x.h5", "--nan", "em", "-k", 0.9, "-o", out).ended(2).stderr
    assert "needs a number of components" in said
    words = ("--nan", "em", "--no-centre", "-k", 1, "-o", out)
    assert "leave --no-centre out" in run(1, "fit", tmp_path / "x.h5", *words).ended(2).stderr
