"""Columns matched by name, and what components leave of rows: as numpy has it."""

import h5py
import numpy as np
import pytest
from launch import batch
from spectra import data_rows, power_law

N, D, K = 600, 12, 3
NAMES = [f"gene {k}" for k in range(D)]


def write(path, rows, names, name="X"):
    with h5py.File(path, "w") as file:
        file[name] = rows
        if names:
            file.create_dataset("column_names", data=names, dtype=h5py.string_dtype())


def rows(kind, seed=1):
    return (data_rows(power_law(D), N, seed=seed) * np.arange(1, D + 1) + 5).astype(kind)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two fits, and data: the same columns in another order among others, fewer, twice, unnamed."""
    here = tmp_path_factory.mktemp("project")
    order = np.random.default_rng(0).permutation(D)
    write(here / "f8.h5", rows("f8"), NAMES)
    write(here / "f4.h5", rows("f4"), NAMES)
    write(here / "unnamed.h5", rows("f8"), None)
    new = rows("f8", seed=2)
    wide = np.hstack([np.full((N, 1), 7.0), new[:, order], new[:, :2]])
    write(here / "wide.h5", wide, ["other", *(NAMES[k] for k in order), "a", "b"])
    write(here / "f4wide.h5", wide.astype("f4"), ["other", *(NAMES[k] for k in order), "a", "b"])
    write(here / "few.h5", new[:, 2:], NAMES[2:])
    write(here / "alien.h5", new, [f"x{k}" for k in range(D)])
    write(here / "twice.h5", new, [*NAMES[:-1], NAMES[0]])
    fits = {
        "plain": ("f8.h5",),
        "single": ("f4.h5",),
        "some": ("f8.h5", "--columns", "7,1,5,9"),
        "scaled": ("f8.h5", "--scale"),
        "nameless": ("unnamed.h5",),
    }
    words = {
        name: ("fit", *each, "-k", K, "--tol", 1e-9, "-o", f"{name}.pca")
        for name, each in fits.items()
    }
    for done in batch(1, words, cwd=here).values():
        done.ok()
    return here


def read(path, *names):
    with h5py.File(path) as file:
        found = [file[name][...] if name in file else None for name in names]
    return found if len(found) > 1 else found[0]


def expected(path, new, gone=()):
    """Scores by numpy: columns that are gone are at their means."""
    vectors, mean, columns, scale = read(path, "components", "mean", "columns", "scale")
    taken = np.arange(D) if columns is None else columns
    values = new[:, taken] * (1 if scale is None else scale) - mean
    values[:, np.isin(taken, gone)] = 0
    return values @ vectors.T


@pytest.mark.once
@pytest.mark.parametrize("n", [1, 2])
def test_columns_in_another_order(folder, tmp_path, n):
    """Of all, some, scaled columns, in both types; and those that are not there at their means."""
    new = rows("f8", seed=2)
    words = {name: (f"{name}.pca", "wide.h5") for name in ("plain", "some", "scaled")}
    words["single"] = ("single.pca", "f4wide.h5")
    words["gone"] = ("plain.pca", "few.h5", "--missing", "mean")
    done = batch(
        n,
        {k: ("project", *each, "-o", tmp_path / f"{k}.h5") for k, each in words.items()},
        cwd=folder,
    )
    for name, each in done.items():
        each.ok()
        of = "plain" if name == "gone" else name
        should = expected(folder / f"{of}.pca", new, (0, 1) if name == "gone" else ())
        error = np.abs(read(tmp_path / f"{name}.h5", "scores") - should).max()
        assert error < (3e-6 if name == "single" else 1e-12) * np.abs(should).max(), (name, error)
    assert "4 of 4 matched by name; 11 of the data do not count" in done["some"].stderr
    assert "taken at their means: gene 0, gene 1" in done["gone"].stderr


@pytest.mark.once
def test_the_same_columns_give_the_same_scores(folder, tmp_path):
    """As transform does; and reconstruct takes them for what they are."""
    words = {
        "transform": ("transform", "plain.pca", "f8.h5", "-o", tmp_path / "a.h5"),
        "project": ("project", "plain.pca", "f8.h5", "-o", tmp_path / "b.h5"),
        "back": ("reconstruct", "plain.pca", tmp_path / "b.h5", "-o", tmp_path / "c.h5"),
    }
    for done in batch(2, words, cwd=folder).values():
        done.ok()
    np.testing.assert_array_equal(
        read(tmp_path / "a.h5", "scores"), read(tmp_path / "b.h5", "scores")
    )
    assert read(tmp_path / "c.h5", "data").shape == (N, D)


@pytest.mark.once
def test_what_cannot_be_matched(folder, tmp_path):
    cases = {
        ("plain.pca", "few.h5"): (3, "lacks 2 of the 12", "gene 0, gene 1", "--missing mean"),
        ("plain.pca", "alien.h5", "--missing", "mean"): (3, "lacks 12 of the 12"),
        ("plain.pca", "twice.h5"): (3, "several columns called gene 0"),
        ("plain.pca", "unnamed.h5"): (3, "unnamed.h5:X has no names of columns"),
        ("nameless.pca", "wide.h5"): (3, "nameless.pca has no names of columns", "transform"),
        ("plain.pca", "f8.h5", "wide.h5"): (3, "wide.h5"),
        ("f8.h5", "wide.h5"): (3, "not a result"),
    }
    out = tmp_path / "a.h5"
    words = {each: ("project", *each, "-o", out) for each in cases}
    for name, done in batch(2, words, cwd=folder).items():
        code, *told = cases[name]
        assert len(done.ended(code).messages) == 1, done
        assert all(each in done.messages[0] for each in told), done
    assert not out.exists()


@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.once), 3])
def test_what_is_left_of_rows(folder, tmp_path, n):
    """Of rows and columns, by numpy; of all rows that were fitted, the variance that is left."""
    words = {
        name: ("reconstruct", f"{name}.pca", data, "--errors", "-o", tmp_path / name)
        for name, data in {"plain": "f8.h5", "single": "f4.h5", "scaled": "f8.h5"}.items()
    }
    words["two"] = (*words["plain"][:-1], tmp_path / "two", "-k", 2)
    for done in batch(n, words, cwd=folder).values():
        done.ok()
    for name in words:
        result = folder / f"{'plain' if name == 'two' else name}.pca"
        vectors, mean, scale = read(result, "components", "mean", "scale")
        vectors = vectors[: 2 if name == "two" else K]
        values = rows("f4" if name == "single" else "f8").astype("f8")
        values = values * (1 if scale is None else scale) - mean
        left = values - values @ vectors.T @ vectors
        found = read(tmp_path / name, "row_errors", "column_errors", "column_deviations")
        should = (
            np.linalg.norm(left, axis=1),
            *(np.sqrt((x**2).mean(axis=0)) for x in (left, values)),
        )
        for each, other in zip(found, should):
            np.testing.assert_allclose(each, other, rtol=1e-6 if name == "single" else 1e-11)
        with h5py.File(result) as file:
            total, some = file.attrs["total_variance"], file["explained_variance"][: len(vectors)]
        assert np.isclose((found[0] ** 2).sum() / (N - 1), total - some.sum(), rtol=1e-5)


@pytest.mark.once
def test_errors_of_what_is_none(folder, tmp_path):
    cases = {
        ("plain.pca", "f8.h5", "wide.h5"): (2, "wide.h5 goes with --errors only"),
        ("plain.pca", "f8.h5", "-k", 2): (2, "--components goes with --errors only"),
        ("plain.pca", "f8.h5", "--log1p"): (2, "--log1p goes with --errors only"),
        ("plain.pca", "f8.h5", "--errors", "--dtype", "float32"): (2, "--dtype"),
        ("plain.pca", "wide.h5", "--errors"): (3, "has 15 columns"),
        ("plain.pca", "f8.h5"): (3, "not a scores file"),
    }
    words = {each: ("reconstruct", *each, "-o", tmp_path / "a.h5") for each in cases}
    for name, done in batch(1, words, cwd=folder).items():
        code, told = cases[name]
        assert len(done.ended(code).messages) == 1 and told in done.messages[0], done
    words = {"errors": ("reconstruct", "plain.pca", "f8.h5", "--errors", "-o", tmp_path / "e.h5")}
    words["info"] = ("info", tmp_path / "e.h5")
    assert "600 rows of 12 columns" in batch(1, words, cwd=folder)["info"].ok().stdout
