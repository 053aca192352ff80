"""Figures of scores, errors, loadings, maps and lines: what is drawn is what the files have."""

from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from launch import batch
from spectra import data_rows, power_law

from hpcpca.export.rows import reading
from hpcpca.files.result import Stored
from hpcpca.pca.result import ABOUT
from hpcpca.report import canvas as canvases
from hpcpca.report import left_over, loadings, result, scores
from hpcpca.sources.labels import Column

pytestmark = pytest.mark.once

N, D, K = 400, 12, 3
NAMES = [f"gene {k}" for k in range(D)]
STRING = h5py.string_dtype()
ROWS = data_rows(power_law(D), N) + 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("figures")
    with h5py.File(here / "named.h5", "w") as file:
        file["X"] = ROWS
        file.create_dataset("column_names", data=NAMES, dtype=STRING)
        file.create_dataset("sort", data=[f"s{k % 3}" for k in range(N)], dtype=STRING)
        file["value"], file["kind"] = np.arange(N) / 7, np.arange(N) % 4
        file["leiden/codes"] = (np.arange(N) % 3 - 1).astype("i1")
        file.create_dataset("leiden/categories", data=["a", "b"], dtype=STRING)
        file["few"] = np.arange(5)
    for name, shape in (("field", (3, 4)), ("waves", (D,))):
        with h5py.File(here / f"{name}.h5", "w") as file:
            item = file.create_dataset("v", data=ROWS.reshape(N, *shape))
            for axis, length in enumerate(shape, 1):
                scale = file.create_dataset(f"axis{axis}", data=10.0 * np.arange(length) + axis)
                scale.make_scale(f"axis{axis}")
                scale.attrs["units"] = "nm"
                item.dims[axis].attach_scale(scale)
    words = {
        name: ("fit", f"{name}.h5:{'X' if name == 'named' else 'v'}", "-k", K, "-o", f"{name}.pca")
        for name in ("named", "field", "waves")
    }
    words["some"] = ("fit", "field.h5:v", "-k", K, "--columns", "0:7", "-o", "some.pca")
    words["scores"] = ("transform", "named.pca", "named.h5:X", "-o", "scores.h5")
    words["errors"] = ("reconstruct", "named.pca", "named.h5:X", "--errors", "-o", "errors.h5")
    for done in batch(1, words, cwd=here).values():
        done.ok()
    return here


@pytest.fixture
def axes_of(tmp_path, monkeypatch):
    """Return ``look(module, draw)``: the axes of the figure that a module draws, once drawn."""

    def look(module, draw):
        seen = []

        @contextmanager
        def looked_at(*arguments):
            with canvases.canvas(*arguments) as axes:
                yield axes
                axes.flat[0].figure.canvas.draw()
                seen.extend(axes.flat)

        monkeypatch.setattr(module, "canvas", looked_at)
        draw(str(tmp_path / "a.png"))
        assert (tmp_path / "a.png").stat().st_size > 2000
        return seen

    return look


def vectors(folder, name):
    with h5py.File(folder / name) as file:
        return file["components"][...]


def test_points(folder, axes_of):
    """Where rows are, pair by pair; in colours of their names, numbers and categories."""
    path = str(folder / "scores.h5")
    with h5py.File(path) as file:
        found = file["scores"][...]
    for of in ("sort", "kind", "leiden", "value", None):
        colour = of and f"{folder}/named.h5:{of}"
        axes = axes_of(scores, lambda out: scores.draw(out, path, colour, [(0, 2), (1, 0)]))
        for axis, pair in zip(axes, ((0, 2), (1, 0))):
            np.testing.assert_allclose(axis.collections[0].get_offsets(), found[:, pair])
        colours = axes[0].collections[0].get_facecolors()
        kinds = {"sort": 3, "kind": 4, "leiden": 3, None: 1}.get(of, 200)
        assert len(np.unique(colours, axis=0)) in (kinds, *range(201, N)), of
        legend = axes[-1].get_legend()
        names = {"sort": ["s0", "s1", "s2"], "leiden": ["a", "b"], "kind": list("0123")}.get(of)
        assert (legend and [each.get_text() for each in legend.get_texts()]) == names


def test_densities(folder, axes_of, monkeypatch):
    """Counts are those of numpy; of colours the mean, or the most frequent name."""
    monkeypatch.setattr(scores, "MOST_POINTS", 10)
    monkeypatch.setattr(scores, "BINS", 4)
    path = str(folder / "scores.h5")
    with reading(path, 2 * 8 * K * 9) as rows:
        edges = scores._edges(rows)
        found = np.concatenate([some for _, some in rows.pieces()])
        x, y = found[:, 0], found[:, 2]
        bins = (edges[:, 2], edges[:, 0])
        should = np.histogram2d(y, x, bins)[0]
        values, codes = np.arange(N) / 7, np.arange(N) % 3 - 1
        count, (sums,) = scores._counted(rows, (0, 2), edges[:, [0, 2]].T, Column(values))
        np.testing.assert_array_equal(count, should)
        np.testing.assert_allclose(sums, np.histogram2d(y, x, bins, weights=values)[0])
        named = scores._counted(rows, (0, 2), edges[:, [0, 2]].T, Column(codes, ("a", "b")))[1]
        for code in (0, 1):
            some = codes == code
            np.testing.assert_array_equal(named[code], np.histogram2d(y[some], x[some], bins)[0])
    for colour in (None, f"{folder}/named.h5:value", f"{folder}/named.h5:leiden"):
        axes = axes_of(scores, lambda out: scores.draw(out, path, colour))
        assert axes[0].images[0].get_array().shape[:2] == (4, 4)


def test_loadings(folder, axes_of):
    """The largest weights, by name, in order."""
    stored = Stored(str(folder / "named.pca"))
    axes = axes_of(loadings, lambda out: loadings.draw(stored, out, ABOUT.shares(stored)))
    assert len(axes) == K
    for axis, vector in zip(axes, vectors(folder, "named.pca")):
        order = np.argsort(-np.abs(vector))
        np.testing.assert_allclose([bar.get_width() for bar in axis.patches], vector[order])
        assert [each.get_text() for each in axis.get_yticklabels()] == [NAMES[j] for j in order]


def test_maps(folder, axes_of):
    """On the axes that the file has; what was not taken is missing."""
    for name in ("field.pca", "some.pca"):
        stored = Stored(str(folder / name))
        axes = axes_of(loadings, lambda out: loadings.draw_maps(stored, out))
        whole = np.full((K, D), np.nan)
        whole[:, : 7 if name == "some.pca" else D] = vectors(folder, name)
        for axis, vector in zip(axes, whole):
            drawn = axis.collections[0]
            np.testing.assert_array_equal(drawn.get_array().filled(np.nan), vector.reshape(3, 4))
            low, high = axis.get_ylim()
            assert low < 1 < 21 < high < 30
        assert axes[0].get_ylabel() == "axis1 (nm)" and axes[-2].get_xlabel() == "axis2 (nm)"


def test_lines(folder, axes_of):
    stored = Stored(str(folder / "waves.pca"))
    along = loadings.own_axis(stored)
    sides = ABOUT.sides(stored, 9)
    axes = axes_of(result, lambda out: result.draw_sides(out, sides, along=along))
    for axis, vector in zip(axes, vectors(folder, "waves.pca")):
        x, y = axis.lines[-1].get_data()
        np.testing.assert_array_equal(x, 10.0 * np.arange(D) + 1)
        np.testing.assert_array_equal(y, vector)
    assert loadings.own_axis(Stored(str(folder / "named.pca"))) is None


def test_errors_of_rows(folder, axes_of):
    axes = axes_of(left_over, lambda out: left_over.draw(out, str(folder / "errors.h5")))
    assert sum(bar.get_height() for bar in axes[0].patches) == N
    assert len(axes[1].lines[1].get_xdata()) == D


def test_the_command(folder, tmp_path):
    """Each kind of file and way to draw, by name; and what does not go together."""
    good = {
        ("scores.h5",): "scores.png",
        ("scores.h5", "--pair", "0,2", "--colour", "named.h5:sort", "-o", "s.svg"): "s.svg",
        ("errors.h5", "-o", "e.pdf"): "e.pdf",
        ("named.pca", "--loadings"): "named-loadings.png",
        ("field.pca", "--maps"): "field-maps.png",
        ("waves.pca", "--lines"): "waves-lines.png",
    }
    done = batch(1, {words: ("plot", *words) for words in good}, cwd=folder)
    for words, each in done.items():
        assert each.ok().stdout == f"figure: {good[words]}\n" and (folder / good[words]).exists()
    bad = {
        ("scores.h5", "--maps"): (2, "-maps goes with a result"),
        ("named.pca", "--colour", "named.h5:sort"): (2, "--colour goes with scores"),
        ("named.pca", "--maps", "--lines"): (2, "--maps and --lines: give one"),
        ("named.pca", "--maps"): (2, "have no two axes with coordinates"),
        ("scores.h5", "--pair", "0,3"): (2, "components 0 to 2"),
        ("scores.h5", "--pair", "0,x"): (2, "whole numbers from 0"),
        ("scores.h5", "--colour", "named.h5"): (2, "name a dataset"),
        ("scores.h5", "--colour", "named.h5:few"): (3, "has 5 values, and there are 400 rows"),
        ("scores.h5", "--colour", "named.h5:X"): (3, "no list of numbers or text"),
        ("scores.h5", "--colour", "no.h5:X"): (3, "no such file"),
    }
    words = {each: ("plot", *each, "-o", "bad.png") for each in bad}
    for name, each in batch(1, words, cwd=folder).items():
        code, told = bad[name]
        assert len(each.ended(code).messages) == 1 and told in each.messages[0], each
    assert not (folder / "bad.png").exists()
