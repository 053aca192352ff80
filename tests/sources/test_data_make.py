"""``hpcpca data make``: rows that have the covariance they promise, whatever the ranks, shards
and chunks.
"""

import json

import h5py
import numpy as np
import pytest
from launch import batch
from spectra import dense_covariance

from hpcpca.errors import UsageError
from hpcpca.sources import synthetic
from hpcpca.sources.synthetic import Recipe

pytestmark = pytest.mark.once


N, D = 20_000, 40
SIGMAS = 5.5  # one value in 3e7 is further out; at most a few thousand are looked at
SPECTRA = {
    "powerlaw:1": [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5],
    "exponential:0.5": [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16],
    "clusters:2:0.01": [1, 0.99, 0.6, 0.6 * 0.99, 0.36],
    "flat": [1] * 5,
}
TYPES = ("uint8", "int16", "int64", "float16", "float64")
RECIPES = [
    *(Recipe(N, D, name, 5) for name in SPECTRA),
    *(Recipe(N, D, "powerlaw:1", 5, dtype=dtype) for dtype in TYPES),
    Recipe(N, D, "powerlaw:1", 5, dtype="float64", mean_std=300, seed=3),
    Recipe(N, D, "exponential:0.9", 40, noise=0.0, seed=1),
]


def made(recipe):
    """All rows of a recipe, and its population."""
    truth = synthetic.population(recipe)
    weights = np.sqrt(truth.signal)[:, None] * truth.components
    rows = synthetic.RandomRows(
        recipe, weights.astype(recipe.work), truth.mean[None].astype(recipe.work), truth.noise
    )
    return np.concatenate([piece.copy() for piece in rows.read(0, recipe.n)]), truth


@pytest.mark.parametrize(
    "recipe", RECIPES, ids=lambda recipe: f"{recipe.spectrum}-{recipe.dtype}-{recipe.ratio:g}"
)
def test_rows_follow_the_population(recipe):
    """The sample covariance S is within the error that n rows leave, m = n−1.

    v_jᵀSv_k is λ_k(1 ± sqrt(2/m)) for j = k, else sqrt(λ_jλ_k)(0 ± 1/sqrt(m)) (Wishart); the trace
    over the other d−r directions is that of (d−r)m squares of variance σ²; eigenvalues of the
    whitened S lie in (1 ± (sqrt(d/m) + t/sqrt(m)))², and so does each λ̂_k/λ_k (Davidson and Szarek
    2001; Ostrowski).
    """
    rows, truth = made(recipe)
    assert rows.dtype == recipe.kind and rows.shape == (N, D)
    sigma, mean = dense_covariance(rows)
    m, values, floor = N - 1, truth.eigenvalues, truth.noise + truth.rounding
    white = truth.components @ sigma @ truth.components.T / np.sqrt(np.outer(values, values))
    assert np.all(
        np.abs(white - np.eye(len(values)))
        <= SIGMAS * (1 + (np.sqrt(2) - 1) * np.eye(len(values))) / np.sqrt(m)
    )
    rest = np.trace(sigma) - np.diag(truth.components @ sigma @ truth.components.T).sum()
    count = D - len(values)
    assert (
        abs(rest - count * floor)
        <= (SIGMAS * np.sqrt(2 / (count * m)) * count * floor if count else 1e-5 * values[0])
        + 1e-5 * values[-1]
    )
    ratios = np.linalg.eigvalsh(sigma)[::-1][: len(values)] / values
    reach = np.sqrt(D / m) + 4 / np.sqrt(m)
    assert (1 - reach) ** 2 <= ratios.min() and ratios.max() <= (1 + reach) ** 2
    assert np.all(
        np.abs(mean - truth.mean)
        <= SIGMAS * np.sqrt(np.diag(sigma) / N) + 1e-6 * np.abs(truth.mean)
    )
    assert np.trace(sigma) == pytest.approx(truth.total_variance, rel=SIGMAS * np.sqrt(2 / m))


@pytest.mark.parametrize("name", SPECTRA)
def test_spectrum(name):
    truth = synthetic.population(Recipe(N, D, name, 5, noise=0.01))
    assert np.allclose(truth.signal / truth.signal[0], SPECTRA[name], rtol=1e-12)
    assert truth.noise == pytest.approx(0.01 * truth.signal[0])
    assert np.allclose(truth.components @ truth.components.T, np.eye(5), atol=1e-12)
    assert truth.total_variance == pytest.approx(D)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64"])
def test_integers_use_their_range(dtype):
    rows, _ = made(Recipe(2000, 30, dtype=dtype, rank=4))
    limits = np.iinfo(dtype)
    assert rows.max() > 0.5 * min(limits.max, 2**53) and limits.min <= rows.min()
    assert np.mean((rows == limits.max) | (rows == limits.min)) < 1e-3


def test_any_part_is_the_same_part():
    """Rows do not depend on where reading starts or stops."""
    recipe = Recipe(700, 3000, rank=3)
    whole, truth = made(recipe)
    weights = (np.sqrt(truth.signal)[:, None] * truth.components).astype("f4")
    rows = synthetic.RandomRows(recipe, weights, truth.mean[None].astype("f4"), truth.noise)
    for start, stop in ((0, 1), (173, 177), (350, 700), (699, 700), (5, 5)):
        part = [piece.copy() for piece in rows.read(start, stop)]
        assert np.array_equal(np.concatenate([np.empty((0, 3000), "f4"), *part]), whole[start:stop])


@pytest.mark.parametrize(
    ("n", "d", "noise", "mean_std"),
    [(500, 60, 1e-2, None), (500, 60, 0, 10), (50, 300, 1e-2, None), (500, 60, 1e-3, 100)],
)
def test_exact(n, d, noise, mean_std):
    recipe = Recipe(
        n, d, "clusters:3:1e-4", 9, noise, mean_std=mean_std, dtype="float64", seed=4, is_exact=True
    ).check()
    rows, truth = synthetic.exact(recipe, synthetic.population(recipe))
    sigma, mean = dense_covariance(rows)
    assert len(truth.eigenvalues) == (min(n - 1, d) if noise else 9)
    found = np.linalg.eigvalsh(sigma)[::-1]
    assert (
        np.abs(found[: len(truth.eigenvalues)] - truth.eigenvalues).max()
        <= 1e-10 * truth.eigenvalues[0]
    )
    assert np.abs(found[len(truth.eigenvalues) :]).max(initial=0) <= 1e-10 * truth.eigenvalues[0]
    assert (
        np.abs(sigma @ truth.components.T - truth.components.T * truth.eigenvalues).max()
        <= 1e-10 * truth.eigenvalues[0]
    )
    assert np.allclose(mean, truth.mean, atol=1e-10 * max(1, truth.mean.max()))


@pytest.mark.parametrize(
    "change",
    [
        {"spectrum": "linear:1"},
        {"spectrum": "powerlaw"},
        {"spectrum": "powerlaw:x"},
        {"spectrum": "powerlaw:-1"},
        {"spectrum": "exponential:1.1"},
        {"spectrum": "clusters:0:1"},
        {"spectrum": "clusters:9:0.1"},
        {"spectrum": "flat:1"},
        {"rank": 11},
        {"noise": -1.0},
        {"mean_std": 2.0, "dtype": "uint8"},
        {"dtype": "uint8", "is_exact": True},
        {"n": 10**7, "is_exact": True},
        {"n": 5, "rank": 5, "is_exact": True},
        {"n": 0},
        {"spectrum": "powerlaw:nan"},
    ],
)
def test_refused(change):
    with pytest.raises(UsageError):
        Recipe(**{"n": 100, "d": 10, **change}).check()


@pytest.mark.parametrize("size", [2, 4, 7, 10, 31])
def test_the_gap_that_is_named_can_be_taken(size):
    """And is nearly the largest."""
    with pytest.raises(UsageError, match=rf"GAP of clusters of {size} is from 0 to ") as raised:
        synthetic.spectrum(f"clusters:{size}:0.5", 64)
    named = float(str(raised.value).split("from 0 to ")[1].split(")")[0])
    assert len(synthetic.spectrum(f"clusters:{size}:{named}", 64)) == 64
    with pytest.raises(UsageError):
        synthetic.spectrum(f"clusters:{size}:{1.01 * named}", 64)
    with pytest.raises(UsageError, match="SIZE is 1 or more"):
        synthetic.spectrum("clusters:0:0.1", 64)


COMMANDS = {
    "shards": ("3001x500", "--shards", "4", "--rank", "6", "--chunk-rows", "64"),
    "uneven": (
        "3001x500",
        "--shards",
        "3",
        "--uneven",
        "--rank",
        "6",
        "--compression",
        "gzip",
        "--dataset",
        "run/values",
    ),
    "file.h5": ("3001x500", "--rank", "6", "--chunk-rows", "0"),
    "images": ("900x300", "--shards", "2", "--dtype", "uint8", "--compression", "lzf"),
    "exact": ("200x30", "--shards", "2", "--exact", "--dtype", "float64"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{ranks: folder} with what the commands make on 1, 2 and 3 ranks."""
    found = {}
    for n in (1, 2, 3):
        here = found[n] = tmp_path_factory.mktemp(f"ranks{n}")
        for done in batch(
            n,
            {out: ("data", "make", *words, "-o", here / out) for out, words in COMMANDS.items()},
        ).values():
            assert len(done.ok().stderr.splitlines()) == 2
    return found


def rows_of(folder, out):
    """All rows of a made set."""
    paths = [folder / out] if out.endswith(".h5") else sorted((folder / out).iterdir())
    parts = []
    for path in paths:
        with h5py.File(path) as file:
            parts.append(file["run/values" if out == "uneven" else "X"][...])
    return np.concatenate(parts)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("out", COMMANDS)
def test_bytes_do_not_depend_on_ranks(folders, n, out):
    names = [path.relative_to(folders[1]) for path in folders[1].rglob("*.h5")]
    assert names and not list(folders[n].rglob("*.part")) and not list(folders[n].rglob(".*"))
    assert np.array_equal(rows_of(folders[n], out), rows_of(folders[1], out))
    for name in names:
        if name.parts[0] == out:
            assert (folders[n] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_bytes_do_not_depend_on_layout(folders):
    whole = rows_of(folders[1], "file.h5")
    assert np.array_equal(rows_of(folders[2], "shards"), whole) and np.array_equal(
        rows_of(folders[3], "uneven"), whole
    )


def test_made_anew(tmp_path):
    """With --overwrite data made before, and their truth, give way; somebody else's do not."""
    make = ("data", "make", "30x5", "-o", tmp_path / "a", "--shards", 2)
    commands = {
        "first": make,
        "again": make,
        "replaced": (*make, "--overwrite", "--seed", 1),
        "others": ("data", "shard", tmp_path / "a", "-o", tmp_path / "b.h5"),
        "kept": ("data", "make", "30x5", "-o", tmp_path / "b.h5", "--overwrite"),
    }
    done = batch(2, commands)
    assert [each.code for each in done.values()] == [0, 3, 0, 0, 3], done
    assert "b.h5 exists and is no file of hpcpca" in done["kept"].messages[0]
    with h5py.File(tmp_path / "a.truth.h5") as file:
        assert json.loads(file.attrs["recipe"])["seed"] == 1


def test_layout(folders):
    sizes, chunks = [], []
    for name in ("s0.h5", "s1.h5", "s2.h5"):
        with h5py.File(folders[2] / "uneven" / name) as file:
            item = file["run/values"]
            sizes.append(item.shape[0])
            assert item.compression == "gzip"
    assert sizes == [501, 1000, 1500] and sum(sizes) == 3001
    for name in ("s0.h5", "s3.h5"):
        with h5py.File(folders[2] / "shards" / name) as file:
            chunks.append(file["X"].chunks)
    assert chunks == [(64, 500)] * 2
    with h5py.File(folders[2] / "file.h5") as file:
        assert file["X"].chunks is None


def test_truth(folders):
    with h5py.File(folders[2] / "exact.truth.h5") as file:
        assert (
            file.attrs["is_exact"]
            and json.loads(file.attrs["recipe"])["n"] == 200
            and file.attrs["format"] == "hpcpca-truth"
        )
        sigma, mean = dense_covariance(rows_of(folders[2], "exact"))
        assert np.allclose(
            np.linalg.eigvalsh(sigma)[::-1][:30],
            file["eigenvalues"][...],
            atol=1e-10 * file["eigenvalues"][0],
        )
        assert np.allclose(mean, file["mean"][...], atol=1e-10)
    with h5py.File(folders[2] / "images.truth.h5") as file:
        assert file.attrs["rounding_variance"] == 1 / 12 and file["components"].shape == (64, 300)
        assert "sqrt(2/n)" in file.attrs["meaning"]
