"""``hpcpca fit --batch-rows``: from files, stopped and gone on with, polished, and what is
refused.
"""

import shutil

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run

pytestmark = pytest.mark.once


K, N, D = 4, 900, 30
WAYS = {
    "ritz": (),
    "steps": ("--local-steps", "3"),
    "vectors": ("--exchange", "vectors"),
    "mu": ("--method", "eigengame-mu", "--step-size", "0.3"),
    "hebb": (
        "--exchange",
        "vectors",
        "--top1",
        "hebb",
        "--deflation",
        "hotelling",
        "--step-schedule",
        "harmonic",
        "--advance",
    ),
}
REFUSED = {
    "more rows than there are": (("--batch-rows", "901"), 2, "900 rows"),
    "one row": (("--batch-rows", "1"), 2, "at least 2"),
    "oja without": (("--exchange", "vectors", "--top1", "oja"), 2, "--batch-rows"),
    "polish without": (("--polish",), 2, "--batch-rows"),
    "schedule without": (("--exchange", "vectors", "--step-schedule", "1/l"), 2, "--batch-rows"),
    "krylov": (("--batch-rows", "9", "--method", "block-krylov"), 2, "parallel-deflation"),
    "lanczos": (("--batch-rows", "9", "--exchange", "vectors", "--top1", "lanczos"), 2, "oja"),
    "gram": (("--batch-rows", "9", "--operator", "gram"), 2, "--operator"),
    "warm start": (("--batch-rows", "9", "--warm-start"), 2, "--warm-start"),
    "no rows": (("--batch-rows", "0"), 2, "at least 2"),
    "oja with Ritz": (("--batch-rows", "9", "--top1", "oja"), 2, "--exchange vectors, not"),
    "latency": (
        ("--batch-rows", "9", "--exchange", "vectors", "--inject-latency", "rank=0:5x"),
        2,
        "--inject-latency",
    ),
    "window": (("--batch-rows", "9", "--exchange", "window"), 2, "ritz or vectors"),
    "basis": (("--batch-rows", "9", "--basis", "all"), 2, "--polish"),
    "schedule of means": (("--batch-rows", "9", "--step-schedule", "1/l"), 2, "vectors"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("batches")
    rows = spectra.data_rows(spectra.exponential(D, 0.6), N, mean=3.0).astype(np.float32)
    spectra.write_shards(here / "data", s1=rows[:133], s2=rows[133:700])
    with h5py.File(here / "data" / "s3.h5", "w") as file:
        file.create_dataset("X", data=rows[700:], chunks=(64, D), compression="gzip")
    return here


def stored(path):
    with h5py.File(path) as file:
        return file["components"][...], dict(file.attrs)


def test_the_same_from_where_rows_lie(folder, tmp_path):
    """To the last bit, of contiguous rows, chunks of whole rows, and compressed ones that cannot
    be mapped. On one rank, whose exact passes add up rows in the same order.
    """
    rows = np.concatenate([h5py.File(folder / "data" / f"s{i}.h5")["X"][...] for i in (1, 2, 3)])
    layouts = {
        "contiguous": {},
        "chunks": {"chunks": (300, D)},
        "compressed": {"chunks": (300, D), "compression": "gzip"},
    }
    for name, options in layouts.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("X", data=rows, **options)
    words = ("-k", K, "--batch-rows", 100, "--max-rounds", 6, "--tol", 0, "--threads", 2)
    commands = {
        (layout, way): (
            *("fit", tmp_path / f"{layout}.h5", *words, *WAYS[way]),
            *("-o", tmp_path / f"{layout}-{way}.h5"),
        )
        for layout in layouts
        for way in ("ritz", "vectors")
    }
    for (layout, way), done in batch(1, commands).items():
        done.ended(4)
        is_mapped = "not mapped: " not in done.stderr
        assert is_mapped == (layout != "compressed"), done.stderr
        found = stored(tmp_path / f"{layout}-{way}.h5")[0]
        assert np.array_equal(found, stored(tmp_path / f"contiguous-{way}.h5")[0]), (layout, way)


def test_go_on_exactly(folder, tmp_path):
    """Ten rounds, and the same from the checkpoint of the ninth, estimated as it is, on other
    ranks.
    """
    common = (
        "-k",
        K,
        "--batch-rows",
        60,
        "--tol",
        0,
        "--max-rounds",
        10,
        "--precision",
        "double",
        "--checkpoint-every",
        "2r",
    )
    whole = {
        name: ("fit", folder / "data", "-o", tmp_path / f"{name}.h5", *common, *options)
        for name, options in WAYS.items()
    }
    for done in batch(1, whole).values():
        done.ended(4)
    for name in WAYS:
        shutil.copy(tmp_path / f"{name}.h5.ckpt.1", tmp_path / f"{name}-9.ckpt")
        with h5py.File(tmp_path / f"{name}-9.ckpt") as file:
            assert np.isnan(file["angle_bounds"][...]).all() and not len(file["clusters"]), (
                "angles from estimates"
            )
        assert (
            stored(tmp_path / f"{name}-9.ckpt")[1]["estimated"]
            and not stored(tmp_path / f"{name}.h5")[1]["estimated"]
        )
    assert "estimates from mini-batches" in run(0, "info", tmp_path / "ritz-9.ckpt").ok().stdout
    assert (
        "by estimate" in run(0, "status", tmp_path / "ritz-9.ckpt").ok().stdout
        and "by estimate" not in run(0, "status", tmp_path / "ritz.h5").ok().stdout
    )
    on = {
        name: ("resume", tmp_path / f"{name}-9.ckpt", "-o", tmp_path / f"{name}-on.h5")
        for name in WAYS
    }
    for done in batch(3, on).values():
        done.ended(4)
    for name in WAYS:
        (found, at), (expected, before) = (
            stored(tmp_path / f"{name}-on.h5"),
            stored(tmp_path / f"{name}.h5"),
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10, err_msg=name)
        assert at["samples"] == before["samples"] > 0 and at["rounds"] == 10


@pytest.mark.parametrize("n", [1, 3])
def test_polished(folder, tmp_path, n):
    """Exact passes take over, from either exchange; what mini-batches alone reach is measured
    too.
    """
    commands = {
        name: (
            "fit",
            folder / "data",
            "-k",
            K,
            "-o",
            tmp_path / f"{name}.h5",
            "--batch-rows",
            *options,
        )
        for name, options in {
            "ritz": (60, "--polish"),
            "vectors": (60, "--polish", "--exchange", "vectors"),
            "alone": (600,),
            "no pass": (60, "--max-rounds", 2),
        }.items()
    }
    done = batch(n, commands)
    for name in ("ritz", "vectors", "alone"):
        done[name].ok()
    done["no pass"].ended(4)
    checks = batch(
        n,
        {
            name: ("verify", tmp_path / f"{name}.h5", folder / "data")
            for name in ("ritz", "vectors", "alone")
        },
    )
    for each in checks.values():
        each.ok()
    assert (
        stored(tmp_path / "ritz.h5")[1]["tol"] == 1e-6
        and stored(tmp_path / "alone.h5")[1]["tol"] == 1e-2
    )


def test_polishing_goes_on(folder, tmp_path):
    """A checkpoint of the exact passes is not taken for one of mini-batches."""
    run(
        2,
        "fit",
        folder / "data",
        "-k",
        K,
        "-o",
        tmp_path / "p.h5",
        "--batch-rows",
        200,
        "--polish",
        "--max-rounds",
        6,
        "--tol",
        "1e-10",
        "--guards",
        0,
    ).ended(4)
    with h5py.File(tmp_path / "p.h5.ckpt") as file:
        assert "state/memory/polishing" in file
    before = stored(tmp_path / "p.h5")[1]["samples"]
    run(1, "resume", tmp_path / "p.h5.ckpt", "--max-rounds", 60).ok()
    assert stored(tmp_path / "p.h5")[1]["samples"] == before


def test_refused(folder, tmp_path):
    done = batch(
        1,
        {
            name: ("fit", folder / "data", "-k", K, "-o", tmp_path / "x.h5", *options)
            for name, (options, _, _) in REFUSED.items()
        },
    )
    for name, (_, code, word) in REFUSED.items():
        assert len(done[name].ended(code).messages) == 1 and word in done[name].messages[0], name
