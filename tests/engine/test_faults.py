"""A short run of the kit that kills (``bin/faults`` is the long one), and the kit itself: it has
to notice what is wrong.
"""

import os

import faults
import h5py
import numpy as np
import pytest
from launch import run

SEEDS = range(1000, 1002 if os.environ.get("HPCPCA_TEST_STACK") == "openmpi" else 1004)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("faults")
    return here, faults.make(here)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_gone_on_with(folder, seed):
    faults.one(*folder, seed)


def test_the_kit_notices_wrong_results(folder, tmp_path):
    here, sigma = folder
    run(
        1, "fit", here / "data", "-k", faults.K, "-o", tmp_path / "out.h5", "--tol", faults.TOL
    ).ok()
    faults.check(tmp_path / "out.h5", sigma)
    for name, change in (("explained_variance", 1e-4), ("components", 1e-3)):
        with h5py.File(tmp_path / "out.h5", "r+") as file:
            kept = file[name][...]
            file[name][...] = kept + change
        with pytest.raises(faults.Fault, match="wrong"):
            faults.check(tmp_path / "out.h5", sigma)
        with h5py.File(tmp_path / "out.h5", "r+") as file:
            file[name][...] = kept
    (tmp_path / "out.h5.ckpt").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(faults.Fault, match="unreadable"):
        faults.readable(tmp_path, tmp_path / "out.h5.ckpt", tmp_path / "none.h5")
