"""Scores and reconstructed rows are what numpy and scikit-learn make of them: any type, mean,
sharding, number of ranks, way of writing.
"""

import json
import os

import h5py
import numpy as np
import pytest
from launch import batch, run
from spectra import agreed_assert, data_rows, power_law

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
    "uint8",
    "int8",
    "bool",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "big-endian",
    "big-endian-integers",
    "mean-1000",
    "tiny",
    "huge",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """KIND/s0.h5 … with the rows of each kind, and KIND.h5, the result of a fit."""
    here = tmp_path_factory.mktemp("transform")
    for kind in KINDS:
        (here / kind).mkdir()
        rows = rows_of(kind)
        for number, (start, stop) in enumerate(zip(CUTS, CUTS[1:])):
            with h5py.File(here / kind / f"s{number}.h5", "w") as file:
                how = {"chunks": (7, 5), "compression": "gzip"} if number == 3 else {}
                file.create_dataset("X", data=rows[start:stop], **how)
    fits = {kind: ("fit", here / kind, "-k", K, "-o", here / f"{kind}.h5", "-q") for kind in KINDS}
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


@pytest.fixture(scope="module")
def wrong(folder):
    """More files, most of which cannot be used."""
    good = rows_of("float32")
    bad = good.copy()
    bad[1399, 3] = np.nan  # on the last rank
    arrays = {
        "nan.h5": bad,
        "narrow.h5": good[:, :23],
        "square.h5": np.cov(good.T),
        "large.h5": rows_of("float64") * 1e100,
        "flat.h5": good * (np.arange(24) < 2),
    }
    for name, array in arrays.items():
        with h5py.File(folder / name, "w") as file:
            file["X"] = array
    words = {
        "cov": ("fit", "square.h5", "--covariance", "-k", 3, "-o", "cov.h5", "-q"),
        "big": ("fit", "large.h5", "-k", 2, "-o", "big.h5", "-q"),
        "s": ("transform", "float32.h5", "float32", "-o", "scores.h5", "-q"),
        "rank-2": ("fit", "flat.h5", "-k", 4, "-o", "rank-2.h5", "-q"),
    }
    for arguments in words.values():
        assert run(1, *arguments, cwd=folder).code in (0, 4)
    return folder


ERRORS = {
    "columns": (
        3,
        ("transform", "float32.h5", "narrow.h5"),
        "23 columns, the components of float32.h5 have 24",
    ),
    "covariance": (3, ("transform", "cov.h5", "rows"), "no mean to subtract"),
    "too many": (2, ("transform", "float32.h5", "rows", "-k", "6"), "-k 6"),
    "none": (2, ("transform", "float32.h5", "rows", "-k", "0"), "-k 0"),
    "memory": (2, ("transform", "float32.h5", "rows", "--memory", "1M"), "needed"),
    "nan": (3, ("transform", "float32.h5", "nan.h5"), "row 1399, column 3 is nan"),
    "range": (3, ("transform", "big.h5", "large.h5", "--dtype", "float32"), "--dtype float64"),
    "flat": (3, ("transform", "rank-2.h5", "flat.h5", "--whiten"), "component 2 of rank-2.h5"),
    "no result": (3, ("transform", "nan.h5", "rows"), "not a result"),
    "no scores": (3, ("reconstruct", "float32.h5", "nan.h5"), "not a scores file"),
    "other result": (3, ("reconstruct", "float64.h5", "scores.h5"), "which they were made with"),
}


@pytest.mark.once
def test_errors(wrong, tmp_path):
    """One line, whichever of three ranks finds it."""
    words = {
        name: (
            *(
                (
                    wrong / word
                    if word.endswith(".h5")
                    else word.replace("rows", str(wrong / "float32"))
                )
                for word in arguments
            ),
            "-o",
            tmp_path / "out.h5",
        )
        for name, (_, arguments, _) in ERRORS.items()
    }
    os.mkfifo(tmp_path / "fifo")
    words["overwrite"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "narrow.h5",
        "-o",
        wrong / "scores.h5",
    )
    for name, place in {"foreign": wrong / "narrow.h5", "pipe": tmp_path / "fifo"}.items():
        words[name] = (
            "transform",
            wrong / "float32.h5",
            wrong / "float32",
            "-o",
            place,
            "--overwrite",
        )
    words["input"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "float32" / "s3.h5",
        "-o",
        wrong / "float32" / "s3.h5",
        "--overwrite",
    )
    words["no folder"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "float32",
        "-o",
        tmp_path / "no" / "out.h5",
    )
    expected = {
        **{
            name: (
                code,
                text.replace("float32.h5", str(wrong / "float32.h5")).replace(
                    "rank-2.h5", str(wrong / "rank-2.h5")
                ),
            )
            for name, (code, _, text) in ERRORS.items()
        },
        "overwrite": (3, "exists; name another file, or give --overwrite"),
        "input": (2, "overwrite what is read"),
        "foreign": (3, "is no file of hpcpca"),
        "pipe": (3, "is a pipe"),
        "no folder": (3, "does not exist"),
    }
    for name, done in batch(3, words).items():
        code, text = expected[name]
        assert done.code == code and len(done.messages) == 1 and text in done.messages[0], (
            name,
            done,
        )
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set()


@pytest.mark.parametrize(
    "rank, error, code",
    [
        (0, "OSError(28, 'No space left on device')", 3),
        (0, "KeyError('bug')", 1),
        (1, "OSError(28, 'No space left on device')", 3),
    ],
)
def test_failed_write(folder, tmp_path, rank, error, code):
    """A full disk, or a bug, on one rank: one message, nothing left behind, what was there
    stays.
    """
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file.attrs["format"] = "hpcpca-scores"
    precious = (tmp_path / "out.h5").read_bytes()
    text = f"""
import os
from hpcpca.pca import scores
import h5py
RANK = int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
def failing(*arguments):
    raise {error}
if RANK == {rank}:
    h5py.Dataset.__setitem__ = failing"""
    done = run(
        2,
        "transform",
        folder / "float32.h5",
        folder / "float32",
        "-o",
        tmp_path / "out.h5",
        "--overwrite",
        inject=text,
    )
    if h5py.get_config().mpi or rank == 0:
        assert done.code == code and len(done.messages) == 1, done
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    is_kept = (tmp_path / "out.h5").read_bytes() == precious
    assert is_kept or not (h5py.get_config().mpi or rank == 0)


@pytest.mark.mpi
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_rows_in_any_order(comm, shared_path, compression):
    """Every rank puts pieces of its own, in its own order, or nothing."""
    from hpcpca.comm.world import World
    from hpcpca.files.row_file import row_file

    world = World(comm)
    expected = np.arange(1003 * 7, dtype=np.int16).reshape(1003, 7)
    starts = list(range(0, 1003, 50))
    turns = -(-len(starts) // comm.size) + 1
    mine = starts[comm.rank :: comm.size][::-1] + [None] * turns
    mine = [None] * (comm.rank % 2) + mine
    with row_file(
        world,
        str(shared_path / "x.h5"),
        "a",
        expected.shape,
        expected.dtype,
        attributes={"who": "we"},
        compression=compression,
    ) as target:
        for start in mine[: turns + 1]:
            target.put(start or 0, None if start is None else expected[start : start + 50])
    comm.Barrier()
    with h5py.File(shared_path / "x.h5") as file:
        same = np.array_equal(file["a"][...], expected) and file.attrs["who"] == "we"
    world.free()
    agreed_assert(comm, same and not list(shared_path.glob(".*")), "the file is not what was put")


@pytest.mark.mpi
def test_nothing_remains_of_a_failure(comm, shared_path):
    from hpcpca.comm.world import World
    from hpcpca.errors import DataError
    from hpcpca.files.row_file import row_file

    world, error = World(comm), None
    try:
        with row_file(
            world, str(shared_path / "x.h5"), "a", (4, 2), np.float32, attributes={}
        ) as target:
            target.put(0, np.zeros((4, 2), np.float32) if comm.rank == 0 else None)
            with world.agreed():
                if comm.rank == comm.size - 1:
                    raise DataError("a bad row")
    except DataError as caught:
        error = caught
    world.free()
    agreed_assert(
        comm,
        str(error) == "a bad row" and not list(shared_path.iterdir()),
        f"{error}, {list(shared_path.iterdir())}",
    )


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
        "s.h5: data, 1 two-dimensional dataset(s)",
    ):
        assert text in shown, (text, shown)
