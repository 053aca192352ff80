"""``regress -r auto``: R² on rows kept back, by rank, is what plain numpy gives."""

import h5py
import numpy as np
import pytest
from closed_form import planted, solved
from launch import batch

from hpcpca.regression.data import Pairs
from hpcpca.regression.rank import kept_back
from hpcpca.sources.source import open_source

STRENGTHS = np.array([6.0, 4.0, 2.0])


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rank")
    x, y = planted(np.random.default_rng(3), 700, 12, 10, STRENGTHS, noise=2.0)
    x, y = x + 40, y - 7
    for name, part in (("x", x), ("y", y)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("rows", data=part, chunks=(5, part.shape[1]))
    return folder, x, y


def numbers(folder, share):
    pairs = Pairs(*(open_source([str(folder / f"{name}.h5")]) for name in "xy"))
    return np.concatenate([np.arange(*each) for each in kept_back(pairs, share, seed=0)])


@pytest.mark.once
def test_rank_by_rows_kept_back(rows, tmp_path):
    folder, x, y = rows
    words = ["regress", folder / "x.h5", "--targets", folder / "y.h5", "-r", "auto", "-o"]
    commands = {
        "usual": [*words, tmp_path / "usual.h5"],
        "a third": [*words, tmp_path / "third.h5", "--held-out", 0.3, "--ridge", 50],
        "as they are": [*words, tmp_path / "plain.h5", "--no-centre"],
        "by r2": [*words, tmp_path / "r2.h5", "--r2", 0.58],
        "too much": [*words, tmp_path / "none.h5", "--r2", 0.95],
        "with a number": [*words[:-3], "-r", 2, "-o", tmp_path / "none.h5", "--r2", 0.9],
        "no number": [*words[:-3], "-r", "some", "-o", tmp_path / "none.h5"],
    }
    found = batch(1, {name: commands.pop(name) for name in ("with a number", "no number")})
    assert "--r2 0.9 goes with -r auto" in found["with a number"].ended(2).messages[0]
    assert "some" in found["no number"].ended(2).messages[0]
    found = batch(3, commands)
    assert "all 10 pairs together reach R²" in found.pop("too much").ended(2).messages[0]
    for done in found.values():
        done.ok()
    for name, share, how in (
        ("usual", 0.1, {}),
        ("third", 0.3, {"ridge": 50.0}),
        ("plain", 0.1, {"is_centred": False}),
    ):
        kept = numbers(folder, share)
        rest = np.setdiff1d(np.arange(len(x)), kept)
        with h5py.File(tmp_path / f"{name}.h5") as file:
            curve, count = file["r2_by_rank"][:], len(file["components"])
            assert file.attrs["rows_kept_back"] == len(kept)
        about = y[kept] - (y[kept].mean(0) if name != "plain" else 0)
        expected = []
        for k in range(1, 11):
            model = solved(x[rest], y[rest], k, **how)
            shift = 0 if name == "plain" else model.intercept
            left = ((y[kept] - x[kept] @ model.weights - shift) ** 2).sum()
            expected.append(1 - left / (about**2).sum())
        np.testing.assert_allclose(curve, expected, atol=1e-9)
        assert count == int(np.argmax(expected)) + 1
    assert len(curve) == 10
    with h5py.File(tmp_path / "usual.h5") as file:
        assert len(file["components"]) == len(STRENGTHS)
    truth = solved(x, y, 10).r2
    with h5py.File(tmp_path / "r2.h5") as file:
        np.testing.assert_allclose(file["r2_by_rank"], truth, atol=1e-9)
        assert len(file["components"]) == np.flatnonzero(truth >= 0.58)[0] + 1
