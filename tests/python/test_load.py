"""Results in Python: they say what the file has, and do what the commands do."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from launch import environment, run
from scipy import sparse
from spectra import data_rows, power_law

import hpcpca

pytestmark = pytest.mark.once

N, D, K = 400, 20, 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with rows of three kinds, and results of them."""
    folder = tmp_path_factory.mktemp("loaded")
    rows = data_rows(power_law(D), N, seed=4) + 3
    counts = np.random.default_rng(5).poisson(np.exp(rows - 3).clip(0, 20)).astype("u2")
    targets = rows[:, :3] @ np.random.default_rng(6).standard_normal((3, 4))
    kinds = {"f8": rows, "f4": rows.astype("f4"), "u2": counts}
    with h5py.File(folder / "rows.h5", "w") as file:
        for name, each in kinds.items():
            file[name] = each
        file["targets"] = targets + 0.1 * data_rows(np.ones(4), N, seed=7)
        file["axes"] = rows.reshape(N, 4, 5)
    data = f"{folder}/rows.h5"
    for name in kinds:
        run(0, "fit", f"{data}:{name}", "-k", K, "-o", folder / f"{name}.h5", "-q").ok()
    run(0, "fit", f"{data}:axes", "-k", K, "-o", folder / "axes.h5", "-q").ok()
    changed = ["--log1p", "--normalize-rows", 100, "--scale", "--columns", "0:15"]
    run(0, "fit", f"{data}:u2", "-k", K, "-o", folder / "changed.h5", "-q", *changed).ok()
    targets = ["--targets", f"{data}:targets", "-r", 3]
    run(0, "regress", f"{data}:f8", *targets, "-o", folder / "pairs.h5", "-q").ok()
    return folder, kinds


@pytest.mark.parametrize("kind", ["f8", "f4", "u2"])
def test_arrays_and_scores(made, kind):
    folder, kinds = made
    found, rows = hpcpca.load(folder / f"{kind}.h5"), kinds[kind]
    with h5py.File(folder / f"{kind}.h5") as file:
        for name in ("components", "explained_variance", "mean", "singular_values"):
            assert np.array_equal(getattr(found, f"{name}_"), file[name][:])
        assert found.n_samples_ == file.attrs["n_samples"] == N
        assert found.noise_variance_ == file.attrs["noise_variance"]
    scores = found.transform(rows)
    wanted = (rows.astype(float) - found.mean_) @ found.components_.T
    exact = 1e-12 if kind == "f8" else 1e-6
    assert scores.dtype == (np.float64 if kind == "f8" else np.float32)
    assert np.abs(scores - wanted).max() <= exact * np.abs(wanted).max()
    assert np.abs(found.transform(rows, n_components=2) - scores[:, :2]).max() <= 1e-5
    back = found.inverse_transform(scores)
    assert np.abs(back - (wanted @ found.components_ + found.mean_)).max() <= 40 * exact
    whitened = found.transform(rows, whiten=True)
    assert np.allclose(whitened.std(axis=0, ddof=1), 1, atol=1e-4)
    assert np.abs(found.inverse_transform(whitened, whiten=True) - back).max() <= 100 * exact


def test_rows_are_given_in_many_ways(made, tmp_path):
    folder, kinds = made
    found, rows = hpcpca.load(folder / "f8.h5"), kinds["f8"]
    wanted = found.transform(rows)
    np.save(tmp_path / "rows.npy", rows)
    with h5py.File(folder / "rows.h5") as file:
        for given in (
            np.load(tmp_path / "rows.npy", mmap_mode="r"),
            np.asfortranarray(rows),
            rows.tolist(),
            rows.astype(">f8"),
            file["f8"],
            tmp_path / "rows.npy",
            f"{folder}/rows.h5:f8",
            [str(tmp_path / "rows.npy")],
            sparse.csr_array(rows),
            sparse.csc_matrix(rows),
            sparse.coo_array(rows),
        ):
            assert np.abs(found.transform(given) - wanted).max() <= 1e-13, type(given)
    axes = hpcpca.load(folder / "axes.h5")
    assert np.allclose(axes.transform(rows.reshape(N, 4, 5)), wanted, atol=1e-12)


def test_rows_are_read_as_those_that_were_fitted(made):
    folder, kinds = made
    out = folder / "scores.h5"
    data = f"{folder}/rows.h5:u2"
    run(0, "transform", folder / "changed.h5", data, "-o", out, "-q", "--dtype", "float64").ok()
    with h5py.File(out) as file:
        wanted = file["scores"][:]
    found = hpcpca.load(folder / "changed.h5")
    for given in (kinds["u2"], sparse.csr_array(kinds["u2"])):
        assert np.abs(found.transform(given) - wanted).max() <= 1e-5
    with pytest.raises(ValueError, match="--log1p|log1p"):
        found.to_sklearn()


def test_scikit_learn_does_the_same(made):
    folder, kinds = made
    found, rows = hpcpca.load(folder / "f8.h5"), kinds["f8"]
    theirs = found.to_sklearn(whiten=True)
    assert np.abs(theirs.transform(rows) - found.transform(rows, whiten=True)).max() <= 1e-12
    theirs.set_params(whiten=False)  # what follows is not about scores
    assert np.abs(theirs.score_samples(rows) - found.score_samples(rows)).max() <= 1e-10
    assert np.abs(theirs.get_covariance() - found.get_covariance()).max() <= 1e-12
    assert np.abs(theirs.get_precision() - found.get_precision()).max() <= 1e-12


def test_xarray_has_the_axes(made):
    xarray = pytest.importorskip("xarray")
    folder, kinds = made
    found = hpcpca.load(folder / "axes.h5")
    like = xarray.DataArray(
        kinds["f8"].reshape(N, 4, 5),
        dims=("time", "lat", "lon"),
        coords={"lat": [10.0, 20, 30, 40], "time": np.arange(N)},
    )
    made_of = found.to_xarray(like)
    assert made_of.components.dims == ("component", "lat", "lon")
    assert list(made_of.lat.values) == [10, 20, 30, 40] and "time" not in made_of.coords
    assert np.array_equal(made_of.components.values.reshape(K, D), found.components_)
    assert found.to_xarray().components.shape == (K, 4, 5)
    scores = ((like - made_of["mean"]) * made_of.components).sum(("lat", "lon"))
    assert np.abs(scores.values - found.transform(like)).max() <= 1e-12
    chosen = hpcpca.load(folder / "changed.h5").to_xarray()
    assert list(chosen.feature.values) == list(range(15))
    with pytest.raises(ValueError, match="features of"):
        found.to_xarray(like[:, :2])


def test_pairs_predict(made):
    folder, kinds = made
    found, rows = hpcpca.load(folder / "pairs.h5"), kinds["f8"]
    wanted = rows @ found.coef_.T + found.intercept_
    assert found.coef_.shape == (4, D)
    assert np.abs(found.predict(rows) - wanted).max() <= 1e-11
    with h5py.File(folder / "rows.h5") as file:
        left = file["targets"][:] - found.predict(rows)
    total = np.square(file_less_mean(folder)).sum()
    assert abs(1 - np.square(left).sum() / total - found.r2_[-1]) <= 1e-10


def file_less_mean(folder):
    with h5py.File(folder / "rows.h5") as file:
        return file["targets"][:] - file["targets"][:].mean(axis=0)


@pytest.mark.parametrize(
    "given, said",
    [
        (np.zeros((3, 7)), "X has 7 features, but .* is expecting 20 features as input"),
        (np.full((2, D), np.nan), "X: row 0, column 0 is NaN"),
        (np.zeros(D), "at least two dimensions"),
        (np.array([["a"] * D]), "strings"),
        ([[1, 2], [3]], "X is no array"),
        ("nowhere.h5", "no such file"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(made, given, said):
    found = hpcpca.load(made[0] / "f8.h5")
    with pytest.raises(ValueError, match=said) as told:
        found.transform(given)
    assert "\n" not in str(told.value)


def test_files_that_are_no_results(made):
    with pytest.raises(FileNotFoundError, match="no such file"):
        hpcpca.load("nowhere.h5")
    with pytest.raises(ValueError, match="is not a result"):
        hpcpca.load(made[0] / "rows.h5")
    with pytest.raises(AttributeError):
        _ = hpcpca.nothing


def test_others_may_be_missing():
    """Without scikit-learn, xarray and scipy there are estimators all the same."""
    code = """
import sys
sys.modules.update(dict.fromkeys(["sklearn", "xarray", "scipy", "pandas"]))
import numpy, hpcpca
rows = numpy.random.default_rng(0).standard_normal((50, 6))
pca = hpcpca.PCA(2, tol=1e-8).set_params(seed=3)
assert pca.fit_transform(rows).shape == (50, 2)
assert repr(pca) == "PCA(n_components=2, seed=3, tol=1e-08)"
assert list(pca.get_feature_names_out()) == ["pca0", "pca1"]
assert hpcpca.ReducedRankRegression(2).fit(rows, rows[:, :2]).score(rows, rows[:, :2]) > 0.999
for asked, what in (
    (lambda: hpcpca.PCA(2).transform(rows), "not fitted yet"),
    (lambda: pca.set_params(unknown=1), "no parameter"),
    (pca.result_.to_sklearn, "scikit-learn is not installed; pip install"),
    (pca.result_.to_xarray, "xarray is not installed; pip install"),
):
    try:
        asked()
    except (ValueError, RuntimeError) as error:
        assert what in str(error), error
    else:
        raise AssertionError(what)
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


def test_nothing_is_started_by_an_import(made):
    """Neither MPI, nor more than the standard library, before something is used."""
    code = (
        "import sys; import hpcpca; light = not {'numpy', 'h5py', 'mpi4py'} & set(sys.modules);"
        "import numpy; p = hpcpca.load(sys.argv[1]); p.transform(numpy.zeros((2, 20)));"
        "hpcpca.PCA(3); hpcpca.ReducedRankRegression(3);"
        "print(light, 'mpi4py' in sys.modules)"
    )
    words = [sys.executable, "-c", code, made[0] / "f8.h5"]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
