"""``hpcpca plot``: a figure of every kind of file, drawn from what is in it."""

import os
import shutil
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import spectra
from launch import run

from hpcpca.engine.about import About
from hpcpca.errors import PlatformError
from hpcpca.files.result import Stored
from hpcpca.report import result
from hpcpca.report.canvas import canvas
from hpcpca.report.experiment import name_of

pytestmark = pytest.mark.once


D, K = 30, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A converged result, a checkpoint of the vectors exchange, one that has measured nothing,
    and data.
    """
    here = tmp_path_factory.mktemp("plot")
    with h5py.File(here / "x.h5", "w") as file:
        file["X"] = spectra.data_rows(spectra.exponential(D, 0.8), 300, mean=1.0)
    run(1, "fit", here / "x.h5", "-k", K, "-o", here / "good.h5").ok()
    run(
        2,
        "fit",
        here / "x.h5",
        "-k",
        K,
        "-o",
        here / "slow.h5",
        "--exchange",
        "vectors",
        "--max-rounds",
        9,
    ).ended(4)
    run(1, "fit", here / "x.h5", "-k", K, "-o", here / "none.h5", "--max-time", "0.01s").ended(75)
    shutil.copy(here / "x.h5", here / "data.png")
    (here / "there.png").write_bytes(b"\x89PNG")
    os.mkfifo(here / "fifo.png")
    return here


def pixels(path):
    """The picture as (h, w, 4)."""
    import matplotlib.image

    return matplotlib.image.imread(path)


@pytest.mark.parametrize("name", ["good.h5", "slow.h5.ckpt"])
def test_results_and_checkpoints(folder, tmp_path, name):
    out = tmp_path / "a.png"
    assert f"figure: {out}" in run(0, "plot", folder / name, "-o", out).ok().stdout
    found = pixels(out)
    assert found.shape[1] > 3 * found.shape[0] / 2 and found[..., :3].std() > 0.01
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["good.h5", "slow.h5"])
def test_legends_hide_no_curve_and_rounds_are_whole(folder, tmp_path, monkeypatch, name):
    """Boxes of legends and axes, as drawn, have nothing in common; of both exchanges."""
    seen = []

    @contextmanager
    def looked_at(*arguments):
        with canvas(*arguments) as axes:
            yield axes
            axes.flat[0].figure.canvas.draw()
            seen.extend(
                (
                    axis.get_legend().get_window_extent().overlaps(axis.get_window_extent()),
                    axis.get_xticks(),
                )
                for axis in axes.flat
            )

    monkeypatch.setattr(result, "canvas", looked_at)
    result.draw(Stored(str(folder / name)), str(tmp_path / "a.png"))
    assert not any(hides for hides, _ in seen) and all(
        (ticks % 1 == 0).all() for _, ticks in seen[:2]
    ), seen


@pytest.mark.parametrize("end", ["pdf", "svg"])
def test_other_formats(folder, tmp_path, end):
    """Each by its name; one that is there is replaced when that is asked for."""
    (tmp_path / f"a.{end}").touch()
    run(0, "plot", folder / "good.h5", "-o", tmp_path / f"a.{end}", "--overwrite").ok()
    assert (tmp_path / f"a.{end}").read_bytes()[:5] in (b"%PDF-", b"<?xml")


def test_images(folder, tmp_path):
    """One picture for each component, other shapes other pictures."""
    for shape in ("5x6", "3x10"):
        run(0, "plot", folder / "good.h5", "--images", shape, "-o", tmp_path / f"{shape}.png").ok()
    assert pixels(tmp_path / "5x6.png").shape != pixels(tmp_path / "3x10.png").shape
    assert (
        "30 entries"
        in run(0, "plot", folder / "good.h5", "--images", "5x7", "-o", tmp_path / "a.png")
        .ended(2)
        .messages[0]
    )


def test_images_hold_the_components(folder, tmp_path, monkeypatch):
    """What is drawn is what is stored: pixel by pixel."""
    drawn = []

    class Axis:
        def imshow(self, picture, **_):
            drawn.append(picture)

        def __getattr__(self, name):
            return lambda *_, **__: None

    @contextmanager
    def blank(path, rows, columns, size):
        axes = np.empty((rows, columns), object)
        for place in np.ndindex(rows, columns):
            axes[place] = Axis()
        yield axes

    monkeypatch.setattr(result, "canvas", blank)
    stored = Stored(str(folder / "good.h5"))
    result.draw_sides("a.png", About().sides(stored, result.SHOWN), [(5, 6)])
    with h5py.File(folder / "good.h5") as file:
        np.testing.assert_array_equal(np.array(drawn).reshape(K, D), file["components"][...])


@pytest.mark.parametrize(
    "words, code, told",
    [
        (["x.h5"], 3, "not a result"),
        (["no.h5"], 3, "no such file"),
        (["good.h5", "-o", "a.xyz"], 2, ".png, .pdf or .svg"),
        (["good.h5", "-o", "no/a.png"], 3, "does not exist"),
        (["good.h5", "-o", "good.h5"], 2, "would overwrite"),
        (["none.h5.ckpt"], 3, "nothing was measured yet"),
        (["good.h5", "--images", "5"], 2, "such as 28x28"),
        (["good.h5", "-o", "data.png", "--overwrite"], 3, "is no figure"),
        (["good.h5", "-o", "there.png"], 3, "--overwrite"),
        (["good.h5", "-o", "fifo.png", "--overwrite"], 3, "fifo.png is a pipe"),
    ],
)
def test_errors(folder, words, code, told):
    before = sorted(path.name for path in folder.iterdir())
    done = run(0, "plot", *words, cwd=folder).ended(code)
    assert len(done.messages) == 1 and told in done.messages[0], done
    assert sorted(path.name for path in folder.iterdir()) == before


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with (
        pytest.raises(PlatformError, match=r"hpcpca\[plot\]"),
        canvas(str(tmp_path / "a.png"), 1, 1, (1, 1)),
    ):
        pass


def test_names_of_series():
    assert name_of({"data": "1/k", "method": "power", "T": 5}) == "power, T = 5"
