"""Names that need care, byte orders, and filters that are not there."""

import json

import h5py
import numpy as np
import pytest
from launch import run

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
    """As a file, with its dataset, and as output; relative, since only then does a name begin with a dash."""
    options = ("-k", 2, "-o", f"out {name}", "--overwrite", "-q", "--")
    run(2, "fit", *options, name, cwd=folder).ok()
    run(2, "fit", *options, f"{name}:größe/a b", cwd=folder).ok()
    run(1, "verify", "--", f"out {name}", name, cwd=folder).ok()
    with h5py.File(folder / f"out {name}") as file:
        assert json.loads(file.attrs["source"])[0]["path"] == name


def test_other_byte_order_among_shards(tmp_path):
    for name, kind in (("s1", "<f4"), ("s2", ">f4"), ("s3", "<f4")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["X"] = ROWS.astype(kind)
    run(2, "fit", tmp_path, "-k", 2, "-o", tmp_path / "out" / ".." / "out.npz.h5", cwd=tmp_path).ended(3)  # no folder "out"
    run(2, "fit", *sorted(tmp_path.glob("s*.h5")), "-k", 2, "-o", tmp_path / "pca.h5").ok()
    sigma = np.cov(np.tile(ROWS.astype("f4").astype("f8"), (3, 1)).T)
    with h5py.File(tmp_path / "pca.h5") as file:
        np.testing.assert_allclose(file["explained_variance"][...], np.linalg.eigvalsh(sigma)[::-1][:2], rtol=1e-5)


def test_missing_filter(tmp_path):
    """Chunks marked as compressed by a filter that nobody here has: the extra that brings most of them is named."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10, 6))
        plist.set_filter(305, h5py.h5z.FLAG_OPTIONAL)
        data = h5py.h5d.create(file.id, b"X", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((80, 6)), plist)
        for row in range(0, 80, 10):
            data.write_direct_chunk((row, 0), ROWS[row:row + 10].tobytes(), filter_mask=0)
    done = run(2, "fit", tmp_path / "x.h5", "-k", 2, "-o", tmp_path / "out.h5").ended(5)
    assert len(done.messages) == 1 and "pip install 'hpcpca[filters]'" in done.messages[0] and "x.h5:X" in done.messages[0], done.stderr
