"""Estimators give what dense eigenvectors say, whatever the rows come in; nothing of the process,
of files or of the data is changed; parameters are the options.
"""

import pickle
from dataclasses import fields

import h5py
import numpy as np
import pytest
from scipy import sparse
from spectra import data_rows, power_law
from threadpoolctl import threadpool_info

import hpcpca
from hpcpca.pca.settings import FitSettings

pytestmark = pytest.mark.once

N, D, K = 300, 16, 4


@pytest.fixture
def rows():
    return data_rows(power_law(D), N, seed=11) + 2


def dense(rows, count=K):
    """(Eigenvalues, components) by numpy, with scikit-learn's signs."""
    values, vectors = np.linalg.eigh(np.cov(rows.astype(float), rowvar=False))
    found = vectors.T[::-1][:count]
    peaks = found[np.arange(count), np.abs(found).argmax(axis=1)]
    return values[::-1][:count], found * np.sign(peaks)[:, None]


def agrees(found, rows, to=1e-6):
    values, vectors = dense(rows, found.n_components_)
    assert np.abs(found.explained_variance_ / values - 1).max() < to
    assert np.abs(found.components_ - vectors).max() < 100 * to
    assert np.abs(found.mean_ - rows.mean(axis=0)).max() < 10 * to
    assert found.residuals_.max() <= 1e-6


@pytest.mark.parametrize("operator", ["auto", "gram", "in-memory", "streaming", "mapped"])
def test_ways_to_hold(rows, operator):
    before = rows.copy()
    agrees(hpcpca.PCA(K, operator=operator).fit(rows), rows)
    assert np.array_equal(before, rows)


def test_kinds_of_rows(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file.create_dataset("X", data=rows, chunks=(64, D), compression="gzip")
        thinned = np.where(np.abs(rows) > 2, rows, 0)
        for given in (
            rows.astype("f4"),
            np.asfortranarray(rows),
            np.load(tmp_path / "rows.npy", mmap_mode="r"),
            tmp_path / "rows.npy",
            file["X"],  # of a file that is being written
            rows.reshape(N, 2, 8),
            rows.tolist(),
        ):
            agrees(hpcpca.PCA(K).fit(given), rows)
    agrees(hpcpca.PCA(K).fit(f"{tmp_path}/rows.h5:X"), rows)
    for form in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        agrees(hpcpca.PCA(K, operator="sparse").fit(form(thinned)), thinned)
    twice = sparse.csr_array((np.ones(4), [1, 1, 0, 2], [0, 2, 3, 4]), (3, 3))  # an entry twice
    agrees(hpcpca.PCA(1).fit(twice), twice.toarray())
    assert np.array_equal(twice.indices, [1, 1, 0, 2])


def test_options(rows):
    assert hpcpca.PCA(0.9).fit(rows).explained_variance_ratio_.sum() >= 0.9
    assert hpcpca.PCA().fit(rows).components_.shape == (D, D)
    scaled = hpcpca.PCA(K, scale=True).fit(rows)
    agrees(scaled, rows / rows.std(axis=0, ddof=1))
    assert np.allclose(scaled.inverse_transform(scaled.transform(rows)).mean(axis=0), rows.mean(0))
    weights = np.linspace(1, 3, D)
    weighed = hpcpca.PCA(K, column_weights=weights).fit(rows)
    agrees(weighed, rows * np.sqrt(weights))
    some = hpcpca.PCA(2, columns=np.arange(D) % 2 == 0).fit(rows)
    agrees(some, rows[:, ::2])
    assert np.allclose(some.transform(rows), (rows[:, ::2] - some.mean_) @ some.components_.T)
    for given, axis in ((rows.T, 1), (rows.reshape(N, 2, 8), 0)):
        turned = hpcpca.PCA(K, samples_axis=axis).fit(given)
        agrees(turned, rows)
        assert np.allclose(turned.transform(given), turned.transform(given.tolist()))
        assert np.allclose(turned.transform(given), (rows - turned.mean_) @ turned.components_.T)
    holes = rows.copy()
    holes[::7, 3] = np.nan
    filled = np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)
    agrees(hpcpca.PCA(K, nan="mean").fit(holes), filled)
    cold = hpcpca.PCA(K, operator="in-memory")
    begun = hpcpca.PCA(K, operator="in-memory", init=dense(rows, D)[1])
    passes = [each.fit(rows).result_.attributes["passes"] for each in (begun, cold)]
    assert passes[0] < passes[1]
    counts = np.arange(N) % 3
    repeated = hpcpca.PCA(K).fit(rows, row_weights=counts)
    wanted = np.average(rows, axis=0, weights=counts)
    assert np.abs(repeated.mean_ - wanted).max() < 1e-12


def test_values_of_parameters(rows):
    chosen = {"basis": 64, "seed": np.int32(3), "tol": np.float32(1e-3), "columns": (0, 1, 2)}
    found = hpcpca.PCA(np.int64(2), **chosen, scale=np.bool_(True), memory="2G").fit(rows)
    assert found.components_.shape == (2, 3)
    assert found.result_.config["basis"] == "64"
    for rank in (2.0, "x"):
        with pytest.raises(ValueError, match=f"rank {rank!r}: a whole number, or 'auto' is needed"):
            hpcpca.ReducedRankRegression(rank).fit(rows, rows[:, :3])
    hpcpca.ReducedRankRegression(1, ridge=0.1).fit(rows, rows[:, :3])


def test_parameters_are_the_options():
    defaults = {each.name: each.default for each in fields(FitSettings)}
    found = hpcpca.PCA().get_params()
    assert found.pop("n_components") is None
    assert found.pop("whiten") is found.pop("warm_start") is False
    assert {"tol", "nan", "method", "seed"} <= set(found) <= set(defaults)
    assert all(defaults[name] == value for name, value in found.items())
    with pytest.raises(TypeError):
        hpcpca.PCA(unknown=1)
    assert hpcpca.PCA(3).set_params(tol=1e-3).tol == 1e-3


@pytest.mark.parametrize(
    "parameters, data, said",
    [
        ({"n_components": D + 1}, None, f"n_components {D + 1}: the data have at most {D}"),
        ({"tol": 2}, None, "tol 2: a number from 0 up to 1"),
        ({"operator": "cloud"}, None, "operator cloud: one of"),
        ({"memory": "much"}, None, "memory: "),
        ({"memory": 2.5}, None, "memory 2.5: a number of bytes"),
        ({"n_components": True}, None, "n_components True: a whole number, a share below 1, or"),
        ({"n_components": 1.0}, None, "n_components 1.0: a whole number is needed"),
        ({"n_components": np.float64(3)}, None, "n_components 3.0: a whole number is needed"),
        ({"tol": "1e-6"}, None, "tol '1e-6': a number is needed"),
        ({"tol": [1]}, None, r"tol \[1\]: a number is needed"),
        ({"max_rounds": 2.5}, None, "max_rounds 2.5: a whole number is needed"),
        ({"scale": "yes"}, None, "scale 'yes': True or False is needed"),
        ({"whiten": "x"}, None, "whiten 'x': True or False is needed"),
        ({"grid": (1, 1)}, None, r"grid \(1, 1\): text of the form WxS is needed"),
        ({"operator": ["gram"]}, None, r"operator \['gram'\]: one of auto"),
        ({"extend": np.eye(3)}, None, "extend array.*: a result or text of the form RESULT"),
        ({}, np.full((5, D), np.nan), "X: row 0, column 0 is NaN"),
        ({}, np.zeros((9, 3)), "variance"),
        ({"column_weights": np.ones(3)}, None, "3 weights for 16 columns"),
    ],
)
def test_mistakes_are_value_errors(rows, parameters, data, said):
    with pytest.raises(ValueError, match=said) as told:
        hpcpca.PCA(**parameters).fit(rows if data is None else data)
    assert "\n" not in str(told.value)
    limits = {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
    hpcpca.PCA(1).fit(rows)
    after = {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
    assert limits == after


def test_nothing_is_written(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = hpcpca.PCA(K).fit(rows)
    hpcpca.ReducedRankRegression(2).fit(rows, rows[:, :3])
    assert not list(tmp_path.iterdir())
    found.result_.save("kept.h5")
    kept = hpcpca.load("kept.h5")
    assert {path.name for path in tmp_path.iterdir()} == {"kept.h5"}
    for name, array in found.result_.arrays.items():
        assert np.array_equal(kept.arrays[name], array, equal_nan=array.dtype.kind == "f"), name
    assert np.array_equal(kept.transform(rows), found.transform(rows))
    with pytest.raises(ValueError, match="exists; name another file, or give overwrite=True$"):
        found.result_.save("kept.h5")
    found.result_.save("kept.h5", overwrite=True)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.transform(rows), found.transform(rows))


def test_what_is_not_reached_is_a_warning(rows):
    with pytest.warns(hpcpca.NotConverged, match="max_rounds: . of 4 components"):
        found = hpcpca.PCA(K, max_rounds=1, operator="streaming", exchange="vectors").fit(rows)
    assert found.result_.outcome == "max_rounds"


def test_batches(rows):
    found = hpcpca.PCA(K).fit(rows[:200])
    with pytest.raises(
        ValueError, match="one row only; a covariance needs at least two: give more"
    ):
        found.partial_fit(rows[:1])
    found.n_components = K + 2
    assert found.partial_fit(rows[200:]).components_.shape == (K + 2, D)
    found.n_components = 0.5  # of rows that are not there
    assert found.partial_fit(rows).components_.shape == (K + 2, D)
    assert found.n_samples_ == 2 * N


@pytest.mark.parametrize("rank", [2, "auto", None])
def test_regression(rows, rank):
    targets = rows[:, :2] @ np.random.default_rng(1).standard_normal((2, 5))
    targets += 0.1 * data_rows(np.ones(5), N, seed=12)
    found = hpcpca.ReducedRankRegression(rank).fit(rows, targets)
    x, y = rows - rows.mean(axis=0), targets - targets.mean(axis=0)
    full = np.linalg.lstsq(x, y, rcond=None)[0]
    _, _, right = np.linalg.svd(x @ full, full_matrices=False)
    count = found.result_.n_components_
    wanted = full @ right[:count].T @ right[:count]
    assert np.abs(found.coef_.T - wanted).max() < 1e-6
    assert np.abs(found.predict(rows) - (x @ wanted + targets.mean(axis=0))).max() < 1e-5
    assert count == {2: 2, None: 5}.get(rank, count)
    one = hpcpca.ReducedRankRegression(1).fit(rows, targets[:, 0])
    assert one.predict(rows).shape == (N,)
    assert abs(one.score(rows, targets[:, 0]) - one.r2_[-1]) < 1e-9


@pytest.mark.parametrize("estimator", [hpcpca.PCA(1), hpcpca.ReducedRankRegression()])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    is_regression = isinstance(estimator, hpcpca.ReducedRankRegression)
    through_every_row = {"check_regressor_multioutput": "11 rows of 10 inputs"}
    found = checks.check_estimator(
        estimator,
        expected_failed_checks=through_every_row if is_regression else None,
        on_skip=None,
    )
    said = [each["status"] for each in found]
    assert said.count("xfail") == is_regression and said.count("passed") > 40
