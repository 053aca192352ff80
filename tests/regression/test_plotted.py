"""Figures of a regression: both sides of the pairs, R² by rank, and who begins when."""

from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from closed_form import planted
from launch import batch

from hpcpca.files.result import Stored
from hpcpca.regression.result import ABOUT
from hpcpca.report import result

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("plotted")
    x, y = planted(np.random.default_rng(4), 300, 12, 6, np.array([6.0, 4.0, 2.0]), noise=1.0)
    for name, part in (("x", x), ("y", y)):
        with h5py.File(here / f"{name}.h5", "w") as file:
            file["rows"] = part
    words = ("regress", here / "x.h5", "--targets", here / "y.h5")
    commands = {
        "auto": (*words, "-r", "auto", "-o", here / "auto.h5"),
        "turns": (*words, "-r", 3, "--exchange", "vectors", "-o", here / "turns.h5"),
        "both": (*words, "-r", 3, "--whiten", "both", "-o", here / "both.h5"),
        "figure": ("plot", here / "auto.h5", "-o", here / "figure.png"),
        "images": ("plot", here / "both.h5", "--images", "3x4", "--images", "2x3"),
        "lines": ("plot", here / "turns.h5", "--lines"),
        "one": ("plot", here / "both.h5", *("--images", "3x4", "--images", "5x5"), "-o", "one.png"),
        "none": ("plot", here / "turns.h5", "--images", "5x5", "-o", here / "none.png"),
        "two": ("plot", here / "turns.h5", "--images", "3x4", "--lines", "-o", here / "none.png"),
    }
    done = batch(1, commands)
    assert "inputs have 12 entries, targets have 6 entries" in done["none"].ended(2).messages[0]
    assert "--images 5x5 are 25 pixels" in done["one"].ended(2).messages[0]
    assert "give one of them" in done["two"].ended(2).messages[0]
    for name in commands.keys() - {"none", "one", "two"}:
        done[name].ok()
    made = {"figure.png", "both-images.png", "turns-lines.png"}
    assert made == {path.name for path in here.glob("*.png")}
    return here


class Axis:
    """Keeps what is drawn."""

    def __init__(self):
        self.lines, self.pictures = [], []

    def semilogy(self, x, y, *marks, **_):
        self.lines.append((np.array(x, ndmin=1), np.array(y, ndmin=1), *marks))

    plot = semilogy

    def imshow(self, picture, **_):
        self.pictures.append(picture)

    def get_legend_handles_labels(self):
        return [], []

    def twinx(self):
        return Axis()

    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.fixture
def drawn(monkeypatch):
    found = []

    @contextmanager
    def blank(path, rows, columns, size):
        axes = np.empty((rows, columns), object)
        for place in np.ndindex(rows, columns):
            axes[place] = Axis()
        found.append(axes)
        yield axes

    monkeypatch.setattr(result, "canvas", blank)
    monkeypatch.setattr(result, "whole_ticks", lambda axis: None)
    return found


def test_r2_by_rank_is_drawn(folder, drawn):
    stored = Stored(str(folder / "auto.h5"))
    result.draw(stored, "a.png", ABOUT.shares(stored), ABOUT.curves(stored))
    (_, fitted, *_), (_, kept, *_) = drawn[0][0, 2].lines
    np.testing.assert_array_equal(fitted, stored.arrays["r2"])
    np.testing.assert_array_equal(kept, stored.arrays["r2_by_rank"])


def test_who_begins_when_is_drawn(folder, drawn):
    """Pair k works from round k + 1 on: dotted before, with a mark where it begins."""
    stored = Stored(str(folder / "turns.h5"))
    result.draw(stored, "a.png", None, ABOUT.curves(stored))
    lines = drawn[0][0, 1].lines
    assert [int(x[0]) for x, _, *marks in lines if marks == ["o"]] == [1, 2]
    assert [x.tolist() for x, _, *marks in lines if marks == [":"]] == [[0, 1], [0, 1, 2]]


def test_both_sides_of_a_pair_are_drawn(folder, drawn):
    for name, targets in (("both", "targets"), ("turns", "components")):
        stored = Stored(str(folder / f"{name}.h5"))
        result.draw_sides("a.png", ABOUT.sides(stored, result.SHOWN), [(3, 4), (2, 3)])
        axes = drawn[-1]
        assert axes.shape == (2, 4)
        pictures = [axis.pictures[0] for axis in axes.flat if axis.pictures]
        with h5py.File(folder / f"{name}.h5") as file:
            left = file["inputs"][:] * file["input_deviation"][:]
            right = file[targets][:]
        for k in range(3):
            np.testing.assert_array_equal(pictures[2 * k].ravel(), left[k])
            np.testing.assert_array_equal(pictures[2 * k + 1].ravel(), right[k])
    with h5py.File(folder / "x.h5") as file:
        deviation = file["rows"][:].std(axis=0, ddof=1)
    np.testing.assert_allclose(stored.arrays["input_deviation"], deviation, rtol=1e-12)
