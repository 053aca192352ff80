"""Names that need care, byte orders, and filters that are not there."""

import json

import h5py
import numpy as np
import pytest
from launch import run

from hpcpca.files.paths import split_dataset

ROWS = np.random.default_rng(2).standard_normal((80, 6))
NAMES = ["a b.h5", "a:b.h5", "Größe π.h5", "-k.h5", "[1].h5", "x%d.h5", "a'\"b.h5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("names with spaces: and é")
    for name in NAMES:
        with h5py.File(here / name, "w") as file:
            file["größe/a b"] = ROWS
    return here


@pytest.mark.parametrize("name", NAMES)
def test_names(folder, name):
    """As a file, with its dataset, and as output; relative, since only then does a name begin
    with a dash.
    """
    options = ("-k", 2, "-o", f"out {name}", "--overwrite", "-q", "--")
    run(2, "fit", *options, name, cwd=folder).ok()
    run(2, "fit", *options, f"{name}:größe/a b", cwd=folder).ok()
    run(1, "verify", "--", f"out {name}", name, cwd=folder).ok()
    with h5py.File(folder / f"out {name}") as file:
        assert json.loads(file.attrs["source"])[0]["path"] == name


@pytest.mark.parametrize("name", ["x.h5", "a:b.h5", "[1].h5"])
def test_datasets_with_colons(tmp_path, name):
    """As the error suggests them, to every command that takes FILE:dataset; resume finds them
    again.
    """
    with h5py.File(tmp_path / name, "w") as file:
        file["a:b/X:y"], file["other"] = ROWS, ROWS[:3]
    done = run(0, "fit", name, "-k", 2, "-o", "out.h5", cwd=tmp_path).ended(3)
    data = f"{name}:a:b/X:y"
    assert f"name one: {data}" in done.messages[0]
    run(
        2,
        "fit",
        data,
        "-k",
        2,
        "-o",
        "out.h5",
        "--init",
        f"{name}:other",
        "--exchange",
        "vectors",
        "--max-rounds",
        1,
        cwd=tmp_path,
    ).ended(4)
    run(2, "resume", "out.h5.ckpt", "--max-rounds", 5000, cwd=tmp_path).ok()
    run(0, "verify", "out.h5", data, cwd=tmp_path).ok()
    run(0, "verify", data, data, cwd=tmp_path).ended(
        4
    )  # rows are no eigenvectors, but they were found
    run(0, "transform", "out.h5", data, "-o", "scores.h5", cwd=tmp_path).ok()
    run(0, "data", "shard", data, "-o", "again.h5", "--dataset", "X", cwd=tmp_path).ok()
    run(0, "plan", data, "-k", 2, cwd=tmp_path).ok()
    assert "a:b/X:y: 80 rows × 6 columns" in run(0, "info", data, cwd=tmp_path).ok().stdout
    done = run(
        0,
        "fit",
        data,
        "-k",
        2,
        "-o",
        "on.h5",
        "--init",
        f"{name}:other",
        "--checkpoint",
        name,
        "--overwrite",
        cwd=tmp_path,
    ).ended(2)
    assert "would overwrite the" in done.messages[0]


def test_the_longest_name_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "a:b", "s1.h5", "s2.h5"):
        (tmp_path / name).touch()
    split = {
        "a:b:c": ("a:b", "c"),
        "a:b": ("a:b", None),
        "a:": ("a", None),
        "a:c:b": ("a", "c:b"),
        "s*.h5:x:y": ("s*.h5", "x:y"),
        "s[12].h5": ("s[12].h5", None),
        "no:x:y": ("no:x", "y"),
        "no": ("no", None),
        f"{tmp_path}:x:y": (str(tmp_path), "x:y"),
    }
    assert {text: split_dataset(text) for text in split} == split


def test_other_byte_order_among_shards(tmp_path):
    for name, kind in (("s1", "<f4"), ("s2", ">f4"), ("s3", "<f4")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["X"] = ROWS.astype(kind)
    run(
        2, "fit", tmp_path, "-k", 2, "-o", tmp_path / "out" / ".." / "out.npz.h5", cwd=tmp_path
    ).ended(3)  # no folder "out"
    run(2, "fit", *sorted(tmp_path.glob("s*.h5")), "-k", 2, "-o", tmp_path / "pca.h5").ok()
    sigma = np.cov(np.tile(ROWS.astype("f4").astype("f8"), (3, 1)).T)
    with h5py.File(tmp_path / "pca.h5") as file:
        np.testing.assert_allclose(
            file["explained_variance"][...], np.linalg.eigvalsh(sigma)[::-1][:2], rtol=1e-5
        )


def test_missing_filter(tmp_path):
    """Chunks marked as compressed by a filter that nobody here has: the extra that brings most
    of them is named.
    """
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10, 6))
        plist.set_filter(305, h5py.h5z.FLAG_OPTIONAL)
        data = h5py.h5d.create(
            file.id, b"X", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((80, 6)), plist
        )
        for row in range(0, 80, 10):
            data.write_direct_chunk((row, 0), ROWS[row : row + 10].tobytes(), filter_mask=0)
    done = run(2, "fit", tmp_path / "x.h5", "-k", 2, "-o", tmp_path / "out.h5").ended(5)
    assert (
        len(done.messages) == 1
        and "pip install 'hpcpca[filters]'" in done.messages[0]
        and "x.h5:X" in done.messages[0]
    ), done.stderr
