"""``hpcpca fit`` on data of all sorts: however they are named, in other types, as a covariance."""

import json

import h5py
import numpy as np
import pytest
import spectra
from fit_rows import SHARDS, K, N, compare, write_rows
from launch import HERE, batch, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in shards and in one file."""
    here = tmp_path_factory.mktemp("fit")
    write_rows(here)
    return here


@pytest.fixture(scope="module")
def rows(folder):
    with h5py.File(folder / "one.h5") as file:
        return file["a"][...]


@pytest.mark.parametrize(
    "n, name", [(1, "exponential"), (2, "powerlaw"), (3, "exponential"), (4, "powerlaw")]
)
def test_golden_trajectories(tmp_path, n, name):
    """Each on an odd and on an even number of ranks."""
    options = ("--exchange", "vectors", "--top1", "power", "--local-steps", 3, "--stagger")
    golden = HERE / "golden" / f"{name}.h5"
    with h5py.File(golden) as file:
        last = file["parallel_deflation_power/T3"][-1]
    done = run(
        n,
        *("fit", f"{golden}:sigma", "--covariance", "--init", f"{golden}:v0"),
        *("-k", len(last), *options, "--max-rounds", 40, "--tol", 0),
        *("-o", tmp_path / "out.h5"),
    )
    assert done.ended(4).messages[0].startswith("hpcpca: not converged: --max-rounds 40")
    with h5py.File(tmp_path / "out.h5") as file:
        found = file["components"][...]
        assert file.attrs["rounds"] == 40 and "mean" not in file and "singular_values" not in file
    signs = np.sign(np.einsum("kd,kd->k", found, last))
    np.testing.assert_allclose(signs[:, None] * found, last, rtol=0, atol=1e-9)
    assert (found[np.arange(len(last)), np.abs(found).argmax(axis=1)] > 0).all()


@pytest.mark.once
def test_ways_to_name_the_data(folder, rows, tmp_path):
    ways = [
        "shards",
        "shards/s*.h5",
        "shards:x/rows",
        "shards/*.h5:x/rows",
        "one.h5:a",
        "shards/s1.h5 shards/s2.h5:x/rows shards/s1[01].h5",
    ]
    commands = {
        words: ("fit", *words.split(), "-k", K, "-o", tmp_path / f"{number}.h5")
        for number, words in enumerate(ways)
    }
    for number, (words, done) in enumerate(batch(1, commands, cwd=folder).items()):
        done.ok()
        compare(tmp_path / f"{number}.h5", rows)
        with h5py.File(tmp_path / f"{number}.h5") as file:
            source = json.loads(file.attrs["source"])
        assert [part["path"].split("/")[-1] for part in source] == (
            ["one.h5"] if words == "one.h5:a" else list(SHARDS)
        )
        assert sum(part["rows"] for part in source) == N


@pytest.mark.once
def test_double_on_single_precision_data(folder, rows, tmp_path):
    run(
        2,
        "fit",
        folder / "single.h5",
        "-k",
        K,
        "-o",
        tmp_path / "out.h5",
        "--precision",
        "double",
        "--tol",
        "1e-8",
    ).ok()
    compare(tmp_path / "out.h5", rows.astype("f4"), 1e-8)


@pytest.mark.once
def test_real_images(tmp_path):
    data = HERE.parent / "data" / "fashion-mnist"
    run(2, "fit", data, "-k", 8, "-o", tmp_path / "out.h5").ok()
    images = np.concatenate([h5py.File(path)["images"][...] for path in sorted(data.glob("*.h5"))])
    values, _ = spectra.leading(spectra.dense_covariance(images)[0], 8)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_allclose(
            file["explained_variance"], values, rtol=0, atol=3e-7 * values[0]
        )
    run(2, "verify", tmp_path / "out.h5", data).ok()
