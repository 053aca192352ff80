"""Weights of rows: what is computed is the weighted covariance of plain numpy; weights that are
whole numbers are as many copies of a row.
"""

import h5py
import numpy as np
import pytest
from launch import run
from sparse_files import write

pytestmark = pytest.mark.once

RNG = np.random.default_rng(53)
N, D, K = 170, 11, 3
ROWS = np.where(RNG.random((N, D)) < 0.8, RNG.standard_normal((N, D)) + 40, 0)
ROWS *= np.geomspace(4, 1, D)
WEIGHTS = np.where(RNG.random(N) < 0.1, 0, RNG.gamma(2.0, 3.0, N))


def weighted(rows, weights):
    """Mean and covariance, of weights whose mean is 1."""
    weights = weights / weights.mean()
    mean = weights @ rows / len(rows)
    gaps = rows - mean
    return mean, (gaps.T * weights) @ gaps / (len(rows) - 1)


def check(out, mean, sigma, accuracy=1e-10):
    values, vectors = np.linalg.eigh(sigma)
    with h5py.File(out) as file:
        found = file["components"][...]
        np.testing.assert_allclose(file["explained_variance"], values[::-1][:K], rtol=accuracy)
        cosines = np.abs((found * vectors.T[::-1][:K]).sum(axis=1))
        np.testing.assert_allclose(cosines, 1, rtol=accuracy)
        np.testing.assert_allclose(file["mean"], mean, rtol=accuracy)
        np.testing.assert_allclose(file.attrs["total_variance"], np.trace(sigma), rtol=accuracy)


@pytest.fixture
def files(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["w"] = WEIGHTS
    return tmp_path, ("--row-weights", f"{tmp_path}/w.h5:w", "-k", K, "--tol", 1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
@pytest.mark.parametrize("operator", ["gram", "in-memory", "mapped", "streaming"])
def test_fits(files, operator, dtype):
    folder, words = files
    rows, out = (10 * ROWS).astype(dtype), folder / "a.h5"
    np.save(folder / "x.npy", rows)
    ranks = {"gram": 1, "in-memory": 2, "mapped": 2, "streaming": 3}[operator]
    words = (*words, "--precision", "double", "--operator", operator)
    run(ranks, "fit", folder / "x.npy", *words, "-o", out).ok()
    check(out, *weighted(rows.astype(float), WEIGHTS))
    run(2, "verify", out, folder / "x.npy", "--tol", 1e-9).ok()


def test_whole_weights_are_copies(tmp_path):
    """Of the same eigenvectors; variances differ by the number of rows that is subtracted from."""
    copies = RNG.integers(0, 4, N)
    np.save(tmp_path / "w.npy", copies)
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "y.npy", np.repeat(ROWS, copies, axis=0))
    common = ("-k", K, "--tol", 1e-11, "-o")
    weights = ("--row-weights", tmp_path / "w.npy")
    run(2, "fit", tmp_path / "x.npy", *weights, *common, tmp_path / "a.h5").ok()
    run(2, "fit", tmp_path / "y.npy", *common, tmp_path / "b.h5").ok()
    count = copies.sum()
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as other:
        v, w = one["components"][...], other["components"][...]
        np.testing.assert_allclose(np.abs((v * w).sum(axis=1)), 1, rtol=1e-10)
        factor = (N - 1) / N * count / (count - 1)
        np.testing.assert_allclose(
            factor * one["explained_variance"][...], other["explained_variance"], rtol=1e-9
        )


@pytest.mark.parametrize("how", ["scaled", "rows", "drop-rows", "no-centre", "sparse", "share"])
def test_with_other_options(files, how):
    folder, words = files
    rows, weights, out, data = ROWS.copy(), WEIGHTS, folder / "a.h5", folder / "x.npy"
    more = {
        "scaled": ("--scale", "--operator", "streaming"),
        "rows": ("--rows", "20:150"),
        "drop-rows": ("--nan", "drop-rows", "--scale"),
        "no-centre": ("--no-centre",),
        "sparse": (),
        "share": ("-k", 0.9),
    }[how]
    if how == "drop-rows":
        rows[[3, 77], [1, 8]] = np.nan
    np.save(data, rows)
    if how == "sparse":
        data = f"{write(folder / 'x.h5ad', rows, dtype='f8')}:X"
    run(2, "fit", data, *words, *more, "-o", out).ok()
    run(3, "verify", out, data, "--tol", 1e-9).ok()
    if how == "rows":
        rows, weights = rows[20:150], weights[20:150]
    whole = ~np.isnan(rows).any(axis=1)
    rows, weights = rows[whole], weights[whole]
    if "--scale" in more:
        rows = rows / np.sqrt(np.diag(weighted(rows, weights)[1]))
    mean, sigma = weighted(rows, weights)
    if how == "no-centre":
        mean, sigma = np.zeros(D), (rows.T * weights / weights.mean()) @ rows / len(rows)
    if how == "share":
        values = np.linalg.eigvalsh(sigma)[::-1]
        count = int(np.searchsorted(np.cumsum(values) / values.sum(), 0.9)) + 1
        with h5py.File(out) as file:
            np.testing.assert_allclose(file["explained_variance"], values[:count], rtol=1e-9)
        return
    check(out, mean, sigma)


def test_goes_on_with_the_same_weights_only(files):
    """Sums over part of the rows are of these weights."""
    folder, words = files
    rows = np.hstack([ROWS, RNG.standard_normal((N, 30))])
    np.save(folder / "x.npy", rows)
    out = folder / "a.h5"
    how = ("--operator", "streaming", "--guards", 0, "--max-rounds", 1)
    run(2, "fit", folder / "x.npy", *words, *how, "-o", out).ended(4)
    run(3, "resume", out, "--max-rounds", 500).ok()
    check(out, *weighted(rows, WEIGHTS), 1e-9)
    run(2, "fit", folder / "x.npy", *words, *how, "-o", out, "--overwrite").ended(4)
    with h5py.File(folder / "w.h5", "a") as file:
        file["w"][5] += 1
    assert "holds other values" in run(2, "resume", out).ended(3).stderr


def test_no_weight_is_left(files):
    """Of the rows that lack no value."""
    folder, words = files
    rows = ROWS.copy()
    rows[WEIGHTS > 0, 2] = np.nan
    np.save(folder / "x.npy", rows)
    ended = run(2, "fit", folder / "x.npy", *words, "--nan", "drop-rows", "-o", folder / "a.h5")
    assert "no row that is taken has a weight above 0" in ended.ended(3).stderr


def test_what_does_not_go_together(files):
    folder, words = files
    np.save(folder / "x.npy", ROWS[:99])
    for more, code, said in (
        ((), 3, "170 weights for 99 rows"),
        (("--nan", "em"), 2, "does not go with --nan em"),
        (("--batch-rows", 9), 2, "does not go with --batch-rows 9"),
        (("--operator", "sparse"), 2, "leave --operator sparse out"),
    ):
        ended = run(1, "fit", folder / "x.npy", *words, *more, "-o", folder / "a.h5")
        assert said in ended.ended(code).stderr
