"""Results, scores and checkpoints of the first version are read, used and resumed."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import spectra
from launch import batch

OLD = Path(__file__).resolve().parent.parent / "old"
ROWS = OLD / "rows.h5"
CHECKPOINTS = {
    "ritz": (),
    "vectors": ("--max-rounds", 12),
    "window": ("--max-rounds", 400),
    "batches": ("--max-rounds", 400),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each command said, on other numbers of ranks than wrote the files; the folder they
    wrote to.
    """
    here = tmp_path_factory.mktemp("old")
    commands = {
        "info": ["info", OLD],
        "verify": ["verify", OLD / "result.h5", ROWS],
        "transform": ["transform", OLD / "result.h5", ROWS, "-o", here / "scores.h5"],
        "reconstruct": [
            "reconstruct",
            OLD / "result.h5",
            OLD / "scores.h5",
            "-o",
            here / "again.h5",
        ],
        "straight": [
            "fit",
            ROWS,
            "-k",
            4,
            "-o",
            here / "straight.h5",
            "--exchange",
            "vectors",
            "--top1",
            "momentum",
            "--precision",
            "double",
            "--max-rounds",
            12,
        ],
    }
    for name, options in CHECKPOINTS.items():
        shutil.copy(OLD / f"{name}.checkpoint", here / f"{name}.ckpt")
        options = options or ("--max-rounds", 100)
        commands[name] = [
            "resume",
            here / f"{name}.ckpt",
            "--data",
            ROWS,
            "-o",
            here / f"{name}.h5",
            *options,
        ]
    return batch(3, commands), here


def test_they_are_described(said):
    run = said[0]["info"].ok()
    assert (
        run.stdout.count("of hpcpca 0.1.0") == 3 * 2
        and "determined: 4 of 4; resolved: 4" in run.stdout
    )  # of 3 ranks


def test_results_are_verified_and_used(said):
    runs, here = said
    runs["verify"].ok()
    runs["transform"].ok()
    runs["reconstruct"].ok()
    with h5py.File(here / "scores.h5") as new, h5py.File(OLD / "scores.h5") as old:
        np.testing.assert_allclose(new["scores"], old["scores"], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["ritz", "window", "batches"])
def test_checkpoints_are_resumed_to_the_right_end(said, name):
    runs, here = said
    runs[name].ok()
    with h5py.File(ROWS) as file:
        true = spectra.leading(spectra.dense_covariance(file["X"][...])[0], 4)[0]
    with h5py.File(here / f"{name}.h5") as file:
        values, tol = file["explained_variance"][...], file.attrs["tol"]
    np.testing.assert_allclose(values, true, rtol=0, atol=tol * true[0])


def test_a_checkpoint_of_vectors_goes_on_as_if_nothing_had_happened(said):
    runs, here = said
    for name in ("vectors", "straight"):
        assert runs[name].code in (0, 4), runs[name]
    with h5py.File(here / "vectors.h5") as resumed, h5py.File(here / "straight.h5") as straight:
        assert resumed.attrs["rounds"] == straight.attrs["rounds"] == 12
        np.testing.assert_allclose(
            resumed["components"], straight["components"], rtol=0, atol=1e-12
        )
