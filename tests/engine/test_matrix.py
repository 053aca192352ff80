"""Checkpoints of any number of ranks, operator and MPI go on with any other, the results verified:
every number of ranks with every other, and every operator with every other.

Those written with MPICH are kept for the run with Open MPI, which finds them in $HPCPCA_TEST_MATRIX
and goes on from them too.
"""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run

K, TOL = 4, 1e-8
RANKS, OPERATORS = (1, 2, 4), ("gram", "in-memory", "mapped", "streaming")
STACK = os.environ.get("HPCPCA_TEST_STACK", "here")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """{(stack, ranks, operator): checkpoint}, and the data's Σ: what this stack writes, and what
    another one wrote before.
    """
    here = Path(os.environ.get("HPCPCA_TEST_MATRIX") or tmp_path_factory.mktemp("matrix"))
    here.mkdir(exist_ok=True)
    data = here / "data.h5"
    if not data.exists():
        with h5py.File(data, "w") as file:
            file["X"] = spectra.data_rows(spectra.exponential(24, 0.85), 600, mean=2.0)
    mine = here / STACK
    shutil.rmtree(mine, ignore_errors=True)
    mine.mkdir()
    for ranks in RANKS:
        fits = {
            operator: (
                "fit",
                data,
                "-k",
                K,
                "-o",
                mine / f"{ranks}-{operator}.h5",
                "--operator",
                operator,
                "--cold",
                "--tol",
                TOL,
                "--guards",
                2,
                "--basis",
                18,
                "--max-rounds",
                2,
            )
            for operator in OPERATORS
        }
        for done in batch(ranks, fits).values():
            done.ended(4)
    with h5py.File(data) as file:
        sigma = np.cov(file["X"][...].T)
    found = {
        (path.parent.name, *path.name.split(".")[0].split("-", 1)): path
        for path in here.glob("*/*.h5.ckpt")
    }
    return found, sigma, data


@pytest.mark.parametrize("ranks", RANKS)
def test_every_pair(written, tmp_path, ranks):
    """Two Latin squares say on how many ranks a checkpoint goes on, and with which operator."""
    checkpoints, sigma, data = written
    assert len(checkpoints) >= 9
    commands, outputs = {}, {}
    for source in checkpoints:
        _, before, held = source
        row, column = RANKS.index(int(before)), OPERATORS.index(held)
        if RANKS[(row + column) % 3] != ranks:
            continue
        operator = OPERATORS[(2 * row + column) % 3]
        name = "-".join((*source, operator))
        (tmp_path / name).mkdir()
        copy, outputs[name] = tmp_path / name / "c.ckpt", tmp_path / name / "out.h5"
        shutil.copy(checkpoints[source], copy)
        commands[name] = (
            "resume",
            copy,
            "--operator",
            operator,
            "--max-rounds",
            500,
            "-o",
            outputs[name],
            "--checkpoint",
            copy,
            "--data",
            data,
            "-q",
        )
    for name, done in batch(ranks, commands).items():
        done.ok()
        with h5py.File(outputs[name]) as file:
            vectors, values = file["components"][...], file["explained_variance"][...]
        true = np.linalg.eigvalsh(sigma)[::-1][:K]
        assert (
            np.linalg.norm(vectors @ sigma - values[:, None] * vectors, axis=1).max()
            <= TOL * true[0]
        ), name
        np.testing.assert_allclose(values, true, rtol=1e-7, err_msg=name)


def test_one_of_them_verifies(written, tmp_path):
    """The command agrees with the check above."""
    checkpoints, _, data = written
    source = sorted(checkpoints)[0]
    shutil.copy(checkpoints[source], tmp_path / "c.ckpt")
    run(
        2,
        "resume",
        tmp_path / "c.ckpt",
        "--max-rounds",
        500,
        "-o",
        tmp_path / "out.h5",
        "--data",
        data,
    ).ok()
    run(1, "verify", tmp_path / "out.h5", data).ok()
