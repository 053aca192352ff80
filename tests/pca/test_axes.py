"""Samples of several axes: reconstructions and copies have them again."""

import h5py
import numpy as np
import pytest
from launch import batch, run

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
