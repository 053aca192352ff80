"""Names that need care, byte orders, and filters that are not there."""

import json

import h5py
import numpy as np
import pytest
from launch import batch, run

from hpcpca.files.paths import split_dataset

pytestmark = pytest.mark.once


ROWS = np.random.default_rng(2).standard_normal((80, 6)) / np.arange(1, 7)
NAMES = ["a b.h5", "a:b.h5", "Größe π.h5", "-k.h5", "[1].h5", "x%d.h5", "a'\"b.h5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("names with spaces: and é")
    for name in NAMES:
        with h5py.File(here / name, "w") as file:
            file["größe/a b"] = ROWS
    return here


def test_names(folder):
    """As a file, with its dataset, and as output; relative, since only then does a name begin
    with a dash.
    """
    commands = {}
    for name in NAMES:
        options = ("-k", 2, "-o", f"out {name}", "--overwrite", "-q", "--")
        commands[name, "file"] = ("fit", *options, name)
        commands[name, "dataset"] = ("fit", *options, f"{name}:größe/a b")
        commands[name, "verify"] = ("verify", "--", f"out {name}", name)
    for done in batch(1, commands, cwd=folder).values():
        done.ok()
    for name in NAMES:
        with h5py.File(folder / f"out {name}") as file:
            assert json.loads(file.attrs["source"])[0]["path"] == name
    run(1, "fit", "-k", 2, "-o", "dash.h5", "-q", "--", "-k.h5", cwd=folder).ok()


def test_datasets_with_colons(tmp_path):
    """As the error suggests them, to every command that takes FILE:dataset; resume finds them
    again.
    """
    names, fits, others = ("x.h5", "a:b.h5", "[1].h5"), {}, {}
    for name in names:
        with h5py.File(tmp_path / name, "w") as file:
            file["a:b/X:y"], file["other"] = ROWS, ROWS[:3]
        data, out, init = f"{name}:a:b/X:y", f"out {name}", ("--init", f"{name}:other")
        vectors = ("--exchange", "vectors", "--max-rounds", 1)
        fits[name, "fit", 4] = ("fit", data, "-k", 2, "-o", out, *init, *vectors)
        fits[name, "resume", 0] = ("resume", f"{out}.ckpt", "--max-rounds", 5000)
        others |= {
            (name, "ambiguous", 3): ("fit", name, "-k", 2, "-o", "new.h5"),
            (name, "verify", 0): ("verify", out, data),
            (name, "rows", 4): ("verify", data, data),  # no eigenvectors, but they were found
            (name, "transform", 0): ("transform", out, data, "-o", f"scores {name}"),
            (name, "shard", 0): ("data", "shard", data, "-o", f"shard {name}", "--dataset", "X"),
            (name, "plan", 0): ("plan", data, "-k", 2),
            (name, "info", 0): ("info", data),
            (name, "overwrite", 2): (
                *("fit", data, "-k", 2, "-o", "on.h5", *init),
                *("--checkpoint", name, "--overwrite"),
            ),
        }
    done = batch(2, fits, cwd=tmp_path) | batch(1, others, cwd=tmp_path)
    for (*_, code), each in done.items():
        each.ended(code)
    for name in names:
        data = f"{name}:a:b/X:y"
        assert f"name one: {data}" in done[name, "ambiguous", 3].messages[0]
        assert "a:b/X:y: 80 rows × 6 columns" in done[name, "info", 0].stdout
        assert "would overwrite the" in done[name, "overwrite", 2].messages[0]


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
