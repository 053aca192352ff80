"""Samples of several axes: reconstructions and copies have them again, components are drawn in
them.
"""

from contextlib import contextmanager

import h5py
import matplotlib.image
import numpy as np
import pytest
from launch import batch, run

from hpcpca.errors import UsageError
from hpcpca.files.result import Stored
from hpcpca.report import pictures, result
from hpcpca.report.pictures import STORED, framed

pytestmark = pytest.mark.once

N, H, W = 60, 5, 4
RNG = np.random.default_rng(8)
STACK = RNG.standard_normal((N, H, W)) * np.arange(1, W + 1) + 3.0
HOLES = STACK.copy()
HOLES[7, 0, 0] = HOLES[9, 2, 3] = np.nan
COLUMNS = np.array([2, 3, 11, 7])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of the stack, of some of its columns, in colours, along its last axis, and plain."""
    here = tmp_path_factory.mktemp("axes")
    arrays = {"stack": STACK, "holes": HOLES, "rgb": np.stack([STACK, -STACK, STACK**2], -1)}
    arrays |= {"grey": STACK[..., None], "last": np.moveaxis(STACK, 0, -1)}
    arrays |= {"flat": STACK.reshape(N, -1)}
    for name, values in arrays.items():
        with h5py.File(here / f"{name}.h5", "w") as file:
            file["X"] = values
    options = {"holes": ("--nan", "drop-columns"), "last": ("--samples-axis", -1)}
    commands = {
        name: ("fit", f"{name}.h5", "-k", 3, *options.get(name, ()), "-o", f"{name}-pca.h5")
        for name in arrays
    }
    some = ",".join(map(str, COLUMNS))
    commands["some"] = ("fit", "stack.h5", "-k", 3, "--columns", some, "-o", "some-pca.h5")
    for done in batch(1, commands, here).values():
        done.ok()
    return here


def read(path, name):
    with h5py.File(path) as file:
        return file[name][...]


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", ["stack", "last", "rgb", "some", "flat"])
def test_reconstructions_have_the_axes_again(folder, tmp_path, n, name):
    """S V + mean by numpy, in the shape of the samples, unless only some columns are there."""
    fitted, data = folder / f"{name}-pca.h5", folder / f"{'stack' if name == 'some' else name}.h5"
    more = ("--compression", "gzip") if name == "rgb" else ()
    run(n, "transform", fitted, data, "-o", tmp_path / "s.h5").ok()
    done = run(n, "reconstruct", fitted, tmp_path / "s.h5", *more, "-o", tmp_path / "r.h5").ok()
    axes = {"some": (4,), "flat": (H * W,), "rgb": (H, W, 3)}.get(name, (H, W))
    found = read(tmp_path / "r.h5", "data")
    expected = read(tmp_path / "s.h5", "scores") @ read(fitted, "components") + read(fitted, "mean")
    assert found.shape == (N, *axes) and " × ".join(map(str, found.shape)) in done.stderr
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-10, atol=1e-12)


def test_shards_have_the_axes(folder, tmp_path):
    """As they are, or with the samples in front; columns that are chosen have none."""
    commands = {
        "a": ("stack.h5", "--shards", 3),
        "b": ("last.h5", "--samples-axis", -1, "--shards", 2, "--chunk-rows", 7),
        "c": ("stack.h5", "--columns", "2:9", "--shards", 1),
    }
    shard = {
        name: ("data", "shard", *words, "-o", tmp_path / name) for name, words in commands.items()
    }
    for done in batch(2, shard, folder).values():
        done.ok()
    found = {
        name: np.concatenate([read(path, "X") for path in sorted((tmp_path / name).iterdir())])
        for name in commands
    }
    np.testing.assert_array_equal(found["a"], STACK)
    np.testing.assert_array_equal(found["b"], STACK)
    np.testing.assert_array_equal(found["c"], STACK.reshape(N, -1)[:, 2:9])


def drawn(path, monkeypatch, shapes=(STORED,)):
    """The pictures that are drawn of a result, as arrays."""
    seen = []

    class Axis:
        def imshow(self, picture, **_):
            seen.append(picture)

        def __getattr__(self, name):
            return lambda *_, **__: None

    @contextmanager
    def blank(path, rows, columns, size):
        axes = np.empty((rows, columns), object)
        for place in np.ndindex(rows, columns):
            axes[place] = Axis()
        yield axes

    monkeypatch.setattr(result, "canvas", blank)
    stored = Stored(str(path))
    result.draw_sides("a.png", *framed(stored, {"components": stored.vectors()}, shapes))
    return np.array(seen)


@pytest.mark.parametrize("name", ["stack", "last", "grey", "holes", "some"])
def test_components_are_drawn_as_samples_were(folder, monkeypatch, name):
    """Blank where a column is left out."""
    found = drawn(folder / f"{name}-pca.h5", monkeypatch)
    vectors, whole = read(folder / f"{name}-pca.h5", "components"), np.full((3, H * W), np.nan)
    taken = {"holes": np.flatnonzero(np.isfinite(HOLES).all(axis=0)), "some": COLUMNS}
    whole[:, taken.get(name, slice(None))] = vectors
    np.testing.assert_array_equal(found, whole.reshape(3, H, W))


def test_colours_are_about_grey(folder, monkeypatch):
    found = drawn(folder / "rgb-pca.h5", monkeypatch)
    vectors = read(folder / "rgb-pca.h5", "components")
    most = np.abs(vectors).max(axis=1)
    expected = 0.5 + vectors.reshape(3, H, W, 3) / (2 * most[:, None, None, None])
    np.testing.assert_allclose(found, expected)
    assert found.min() >= 0 and found.max() <= 1


def test_a_shape_that_is_given_wins(folder, monkeypatch):
    """Of all columns, or of those that are there."""
    vectors = read(folder / "some-pca.h5", "components")
    some = drawn(folder / "some-pca.h5", monkeypatch, [(2, 2)])
    np.testing.assert_array_equal(some, vectors.reshape(3, 2, 2))
    found = drawn(folder / "some-pca.h5", monkeypatch, [(2, 10)])
    assert np.isnan(found).sum() == 3 * 16 and found.shape == (3, 2, 10)


def test_samples_that_are_no_pictures(folder):
    with pytest.raises(UsageError, match="have one axis, and are no pictures; give --images HxW"):
        pictures.of_samples(Stored(str(folder / "flat-pca.h5")))
    stored = Stored(str(folder / "stack-pca.h5"))
    stored.attributes["feature_shape"] = np.array([5, 2, 2])
    with pytest.raises(UsageError, match="have shape 5 × 2 × 2"):
        pictures.of_samples(stored)


def test_command(folder, tmp_path):
    """--images alone, and beside a shape; the same picture as by the shape."""
    plot, pixels = ("plot", folder / "stack-pca.h5", "-o"), matplotlib.image.imread
    run(0, *plot, tmp_path / "a.png", "--images").ok()
    run(0, *plot, tmp_path / "b.png", "--images", f"{H}x{W}").ok()
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    done = run(0, "plot", "--images", "x.h5", "-o", tmp_path / "c.png").ended(2)
    assert "'x.h5' is not a shape" in done.messages[0]
    done = run(0, "plot", folder / "flat-pca.h5", "--images", "-o", tmp_path / "c.png").ended(2)
    assert "one axis" in done.messages[0]
    told = run(0, "info", folder / "stack-pca.h5", folder / "some-pca.h5").ok().stdout
    assert "3 components of 20 features (5 × 4)" in told
    assert "3 components of 4 features (of 5 × 4)" in told
