"""Scores and reconstructed rows are what numpy and scikit-learn make of them: any type, mean,
sharding, number of ranks, way of writing.
"""

import json

import h5py
import numpy as np
import pytest
from launch import batch, run
from spectra import data_rows, power_law

from hpcpca.mapping.projection import Reconstruction, Scoring

FEW = [pytest.param(n, marks=pytest.mark.once) for n in (1, 2)]
MANY = [3, 4]  # ranks that every stack shows
K = 5
CUTS = (0, 1, 1, 700, 737, 1400)  # uneven shards, one of them without rows


def rows_of(kind):
    """1,400 rows of a kind: a type, a byte order, a mean far from zero."""
    base = data_rows(power_law(24), 1400, seed=3)
    kinds = {
        "uint8": np.clip(base * 30 + 120, 0, 255).astype("u1"),
        "int8": np.clip(base * 25, -128, 127).astype("i1"),
        "bool": base > 0.3,
        "int16": (base * 5000).astype("i2"),
        "uint16": (base * 5000 + 30000).astype("u2"),
        "int32": (base * 1e6 + 2**30).astype("i4"),
        "uint32": (base * 1e6 + 2**31).astype("u4"),
        "int64": (base * 2**20).astype("i8") + 2**60,
        "uint64": (base * 2**20).astype("i8").astype("u8") + np.uint64(2**63),
        "float16": base.astype("f2"),
        "float32": base.astype("f4"),
        "float64": base,
        "big-endian": base.astype(">f4"),
        "big-endian-integers": (base * 1000).astype(">i8"),
        "mean-1000": (base + 1000).astype("f4"),
        "tiny": (base * 1e-30).astype("f4"),
        "huge": base * 1e150,
    }
    return kinds[kind]


KINDS = (
    *("uint8", "int8", "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "big-endian", "big-endian-integers"),
    *("mean-1000", "tiny", "huge"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """KIND/s0.h5 … with the rows of each kind, and KIND.h5, the result of a fit."""
    return fitted(tmp_path_factory.mktemp("transform"), KINDS)


def fitted(here, kinds):
    """Make these kinds' files and results in a folder, and return that."""
    for kind in kinds:
        (here / kind).mkdir()
        rows = rows_of(kind)
        for number, (start, stop) in enumerate(zip(CUTS, CUTS[1:])):
            with h5py.File(here / kind / f"s{number}.h5", "w") as file:
                how = {"chunks": (7, 5), "compression": "gzip"} if number == 3 else {}
                file.create_dataset("X", data=rows[start:stop], **how)
    fits = {kind: ("fit", here / kind, "-k", K, "-o", here / f"{kind}.h5", "-q") for kind in kinds}
    for done in batch(1, fits).values():
        done.ok()
    return here


def basis(path, count=K):
    """Components, mean and variances of a result."""
    with h5py.File(path) as file:
        return file["components"][:count], file["mean"][...], file["explained_variance"][:count]


def read(path, name="scores"):
    with h5py.File(path) as file:
        return file[name][...]


def reference(kind, path, count=K, centre=True):
    """Scores in extended precision: (n, K) float64."""
    components, mean, _ = basis(path, count)
    wide = rows_of(kind).astype(np.longdouble) - (mean if centre else 0)
    return (wide @ components.T.astype(np.longdouble)).astype(np.float64)


@pytest.mark.once
@pytest.mark.parametrize("n", FEW + MANY)
def test_scores_of_every_type(folder, tmp_path, n):
    """All on one rank; on more those of each way to convert, and what is far from zero."""
    kinds = KINDS if n == 1 else ("uint8", "int64", "mean-1000", "float64")
    words = {
        kind: ("transform", folder / f"{kind}.h5", folder / kind, "-o", tmp_path / f"{kind}.h5")
        for kind in kinds
    }
    for kind, done in batch(n, words).items():
        done.ok()
        found, expected = read(tmp_path / f"{kind}.h5"), reference(kind, folder / f"{kind}.h5")
        small = rows_of(kind).dtype.itemsize <= 2 or rows_of(kind).dtype in ("f4", ">f4")
        assert found.dtype == (np.float32 if small else np.float64), kind
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < (5e-7 if small else 1e-14), (kind, error)
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.once
@pytest.mark.parametrize("n", [FEW[0], MANY[0]])
def test_options(folder, tmp_path, n):
    """Type, fewer components, whitened, not centred, compressed, in little memory."""
    result, data = folder / "mean-1000.h5", folder / "mean-1000"
    options = {
        "float64": ("--dtype", "float64"),
        "two": ("-k", 2),
        "white": ("--whiten", "--dtype", "float64"),
        "raw": ("--no-centre",),
        "gzip": ("--compression", "gzip"),
        "threads": ("--threads", 2),
        "little": (
            "--threads",
            1,
            "--memory",
            n * (Scoring.scratch(24, K, np.dtype("f4")) + 12_000),
        ),
    }
    words = {
        name: ("transform", result, data, "-o", tmp_path / f"{name}.h5", *more)
        for name, more in options.items()
    }
    for done in batch(n, words).values():
        done.ok()
    expected, found = (
        reference("mean-1000", result),
        {name: read(tmp_path / f"{name}.h5") for name in options},
    )
    largest = np.abs(expected).max()
    assert (
        np.abs(found["float64"] - expected).max() < 1e-13 * largest * 1000
    )  # the mean is 1000 times the scores
    assert (
        found["two"].shape == (1400, 2)
        and np.abs(found["two"] - expected[:, :2]).max() < 5e-7 * largest
    )
    assert np.allclose(found["white"], expected / np.sqrt(basis(result)[2]), atol=1e-9)
    assert np.allclose(found["white"].var(axis=0, ddof=1), 1, atol=1e-5)
    raw = reference("mean-1000", result, centre=False)
    assert np.abs(found["raw"] - raw).max() < 5e-7 * np.abs(raw).max()
    for name in ("gzip", "threads", "little"):
        assert np.abs(found[name] - expected).max() < 5e-7 * largest, name
    with h5py.File(tmp_path / "gzip.h5") as file:
        assert file["scores"].compression == "gzip"


@pytest.mark.parametrize("n", [FEW[1], MANY[0]])
def test_back_again(folder, tmp_path, n):
    """Rows from scores: SV + 1μᵀ; other ways of writing do not matter."""
    result, data = folder / "mean-1000.h5", folder / "mean-1000"
    words = {
        "s": ("transform", result, data, "-o", tmp_path / "s.h5"),
        "w": ("transform", result, data, "-o", tmp_path / "w.h5", "--whiten", "-k", 3),
        "n": ("transform", result, data, "-o", tmp_path / "n.h5", "--no-centre"),
        "s-back": ("reconstruct", result, tmp_path / "s.h5", "-o", tmp_path / "s-back.h5"),
        "s-wide": (
            "reconstruct",
            result,
            tmp_path / "s.h5",
            "-o",
            tmp_path / "s-wide.h5",
            "--dtype",
            "float64",
            "--threads",
            1,
            "--memory",
            n * (Reconstruction.scratch(24, K, np.dtype("f8")) + 25_000),
        ),
        "w-back": (
            "reconstruct",
            result,
            tmp_path / "w.h5",
            "-o",
            tmp_path / "w-back.h5",
            "--compression",
            "gzip",
        ),
        "n-back": ("reconstruct", result, tmp_path / "n.h5", "-o", tmp_path / "n-back.h5"),
    }
    for done in batch(n, words).values():
        done.ok()
    components, mean, variance = basis(result)
    expected = read(tmp_path / "s.h5").astype(float) @ components + mean
    assert read(tmp_path / "s-back.h5", "data").dtype == np.float32
    assert (
        np.abs(read(tmp_path / "s-back.h5", "data") - expected).max() < 1e-4
    )  # float32 has steps of 6e-5 at 1000
    assert np.abs(read(tmp_path / "s-wide.h5", "data") - expected).max() < 1e-11
    fewer = (read(tmp_path / "w.h5") * np.sqrt(variance[:3])) @ components[:3] + mean
    assert np.abs(read(tmp_path / "w-back.h5", "data") - fewer).max() < 2e-4
    plain = read(tmp_path / "n.h5").astype(float) @ components
    assert np.abs(read(tmp_path / "n-back.h5", "data") - plain).max() < 2e-3


@pytest.mark.once
def test_all_components_give_the_rows_back(tmp_path):
    rows = data_rows(power_law(12), 300, seed=1) + 50
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = rows
    run(2, "fit", "x.h5", "-k", 12, "-o", "pca.h5", "--tol", 1e-12, cwd=tmp_path).ok()
    run(2, "transform", "pca.h5", "x.h5", "-o", "s.h5", cwd=tmp_path).ok()
    run(3, "reconstruct", "pca.h5", "s.h5", "-o", "back.h5", cwd=tmp_path).ok()
    assert np.abs(read(tmp_path / "back.h5", "data") - rows).max() < 1e-10


@pytest.mark.once
@pytest.mark.parametrize("d", [2000, 40_000])
def test_many_columns_in_single_precision(d):
    """Sums over many columns keep scores to 1e-6 of the largest."""
    from hpcpca.kernels import plain
    from hpcpca.operators.team import Team

    random = np.random.default_rng(d)
    start = (
        random.standard_normal((d, 6)) / np.arange(1, d + 1)[:, None] ** 1.5
    )  # the hardest: one column makes most of a score
    vectors = np.linalg.qr(start)[0].T
    rows = (random.standard_normal((100, d)) / np.arange(1, d + 1) ** 0.5 + 3).astype("f4")
    expected = (rows - np.full(d, 3.1)) @ vectors.T
    found = Scoring(
        vectors.astype("f4"), np.full(d, 3.1), "f4", np.ones(6), plain, team=Team(1)
    ).into(rows, 20.0, np.empty((100, 6), "f4"))
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.once
@pytest.mark.parametrize("whiten", [False, True])
def test_as_scikit_learn(folder, tmp_path, whiten):
    """The scores of fitted and of other rows are those of PCA.transform."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows, (components, mean, variance) = rows_of("float64"), basis(folder / "float64.h5")
    pca = decomposition.PCA(K, svd_solver="full", whiten=whiten).fit(rows)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["Y"] = rows[::-3] * 2 + 5
    for name, data, expected in (
        ("same", folder / "float64", pca.transform(rows)),
        ("other", tmp_path / "other.h5", pca.transform(rows[::-3] * 2 + 5)),
    ):
        run(
            1,
            "transform",
            folder / "float64.h5",
            data,
            "-o",
            tmp_path / f"{name}-scores.h5",
            *(["--whiten"] if whiten else []),
        ).ok()
        assert (
            np.abs(read(tmp_path / f"{name}-scores.h5") - expected).max()
            < 1e-4 * np.abs(expected).max()
        )  # fitted to residuals of 1e-6
    pca.components_, pca.mean_, pca.explained_variance_ = components, mean, variance
    assert (
        np.abs(read(tmp_path / "same-scores.h5") - pca.transform(rows)).max()
        < 1e-12 * np.abs(expected).max()
    )


@pytest.mark.once
def test_what_the_file_says(folder, tmp_path):
    """Also where it took the place of what a symlink leads to."""
    (tmp_path / "s.h5").symlink_to("there.h5")
    for more in ((), ("--overwrite",)):
        words = ("transform", folder / "uint8.h5", folder / "uint8", "-o", tmp_path / "s.h5", "-q")
        run(0, *words, *more).ok()
    assert (tmp_path / "s.h5").is_symlink() and not (tmp_path / "there.h5").is_symlink()
    with h5py.File(tmp_path / "s.h5") as file, h5py.File(folder / "uint8.h5") as result:
        at = dict(file.attrs)
        assert (at["format"], at["format_version"], at["n_samples"], at["n_features"]) == (
            "hpcpca-scores",
            1,
            1400,
            24,
        )
        assert (
            at["result"] == str(folder / "uint8.h5") and at["result_seal"] == result.attrs["seal"]
        )
        assert at["centred"] and not at["whitened"]
        assert [part["rows"] for part in json.loads(at["source"])] == list(np.diff(CUTS))
    run(
        2, "verify", folder / "uint8.h5", folder / "uint8", "--save", "-q"
    ).ok()  # the seal changes, the components do not
    run(
        0, "reconstruct", folder / "uint8.h5", tmp_path / "s.h5", "-o", tmp_path / "back.h5", "-q"
    ).ok()


@pytest.mark.once
def test_info_knows_what_was_made(folder, tmp_path):
    """Of what, on what, how; data made for tests have a truth beside them."""
    done = batch(
        1,
        {
            "scores": (
                "transform",
                folder / "uint8.h5",
                folder / "uint8",
                "-o",
                tmp_path / "s.h5",
                "--whiten",
                "--components",
                3,
            ),
            "back": (
                "reconstruct",
                folder / "uint8.h5",
                tmp_path / "s.h5",
                "-o",
                tmp_path / "b.h5",
            ),
            "made": ("data", "make", "50x7", "-o", tmp_path / "m.h5"),
            "info": (
                "info",
                tmp_path / "s.h5",
                tmp_path / "b.h5",
                tmp_path / "m.truth.h5",
                f"{tmp_path / 's.h5'}:scores",
            ),
        },
    )
    shown = done["info"].ok().stdout
    for text in (
        "s.h5: scores of hpcpca",
        f"1400 rows on 3 components of {folder / 'uint8.h5'}, centred, whitened: /scores float32",
        "s3.h5:X: 37 × 24 uint8",
        "b.h5: reconstruction of hpcpca",
        f"1400 × 24 values from scores on {folder / 'uint8.h5'}",
        "m.truth.h5: truth of test data",
        "7 components of 7 features, 50 samples",
        "s.h5: data, 1 dataset(s) of rows",
    ):
        assert text in shown, (text, shown)
