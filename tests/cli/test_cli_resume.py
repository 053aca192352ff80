"""``hpcpca resume``: a run that was stopped goes on to the answer of an uninterrupted one."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from launch import batch, run
from resumable import (
    VECTORS,
    K,
    components,
    copied,
    fit,
    stopped_runs,
    uninterrupted,
    write_data,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in three shards."""
    here = tmp_path_factory.mktemp("resume")
    write_data(here)
    return here


@pytest.fixture(scope="module")
def whole(folder):
    return uninterrupted(folder)


@pytest.fixture(scope="module")
def stopped(folder):
    return stopped_runs(folder)


@pytest.mark.parametrize(
    "n, operator", [(1, "gram"), (2, "in-memory"), (4, "gram"), (4, "in-memory")]
)
def test_vectors_resume_exactly(folder, stopped, whole, tmp_path, n, operator):
    output = tmp_path / "on.h5"
    run(
        n,
        "resume",
        copied(stopped["vectors"], tmp_path),
        "--max-rounds",
        60,
        "--operator",
        operator,
        "-o",
        output,
    ).ended(4)
    np.testing.assert_allclose(components(output), whole, rtol=0, atol=1e-12)
    with h5py.File(output) as file:
        assert file.attrs["rounds"] == 60 and file["history/round"][-1] == 60


@pytest.mark.parametrize("n, end", [(1, ""), (2, ".ckpt"), (4, "")])
def test_ritz_resumes(folder, stopped, tmp_path, n, end):
    checkpoint = copied(stopped["ritz"], tmp_path)
    output = tmp_path / "on.h5"
    run(
        n,
        "resume",
        checkpoint if end else checkpoint.with_suffix(""),
        "--max-rounds",
        500,
        "--tol",
        "1e-9",
        "-o",
        output,
    ).ok()
    run(1, "verify", output, folder / "data", "--tol", "1e-9").ok()
    with h5py.File(output) as file:
        rounds = file["history/round"][...]
        assert (np.diff(rounds) > 0).all() and rounds[0] == 1 and file.attrs["reads"] >= 2
    assert not (tmp_path / "on.h5.ckpt").exists()


@pytest.mark.once
def test_recorded_output(folder, tmp_path):
    """Without -o the recorded result is written, and its checkpoint goes when the run has
    converged.
    """
    output = tmp_path / "out.h5"
    fit(folder, output, "--max-rounds", 2).ended(4)
    assert (tmp_path / "out.h5.ckpt").exists()
    done = run(2, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 500).ok()
    assert str(output) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    run(2, "resume", output, "--tol", "1e-11").ok()
    run(2, "verify", output, folder / "data", "--tol", "1e-11").ok()


@pytest.mark.once
def test_a_result_that_was_copied(folder, tmp_path):
    """Its own name, or another: -o says; what lies under the recorded name is left alone."""
    fit(folder, tmp_path / "out.h5", "--max-rounds", 2, "--no-checkpoint").ended(4)
    shutil.copy(tmp_path / "out.h5", tmp_path / "copy.h5")
    kept = (tmp_path / "out.h5").read_bytes()
    done = run(2, "resume", "copy.h5", "--max-rounds", 500, cwd=tmp_path).ended(3)
    assert len(done.messages) == 1 and "with -o copy.h5" in done.messages[0], done.stderr
    run(2, "resume", "copy.h5", "--max-rounds", 500, "-o", "copy.h5", cwd=tmp_path).ok()
    assert (tmp_path / "out.h5").read_bytes() == kept
    run(0, "verify", "copy.h5", folder / "data", cwd=tmp_path).ok()


@pytest.mark.once
def test_checkpoints_unless_told_otherwise(folder, tmp_path):
    """A run without them, gone on with: what was there stays until the new one is good."""
    fit(folder, tmp_path / "out.h5", "--no-checkpoint").ok()
    before = components(tmp_path / "out.h5")
    run(2, "resume", tmp_path / "out.h5", "--tol", "1e-15", "--max-rounds", 4).ended(4)
    assert (tmp_path / "out.h5.ckpt").exists() and len(before) == K


@pytest.mark.once
def test_fit_that_finds_a_checkpoint(folder, tmp_path):
    output = tmp_path / "out.h5"
    fit(folder, output, "--max-rounds", 2).ended(4)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert f"hpcpca resume {output}.ckpt" in fit(folder, output).ended(3).messages[0]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    fit(folder, output, "--overwrite").ok()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


@pytest.mark.parametrize("written, read", [(True, False), (False, True)])
def test_both_ways_of_writing_are_read_alike(folder, whole, tmp_path, written, read):
    """A checkpoint through the root and one through mpio (where h5py has it) are the same file
    to a reader.
    """

    by_root = {"HPCPCA_TEST_INJECT": "import hpcpca.files.hdf5 as h\nh.HAS_MPI = False"}

    def through(parallel, *words):
        return batch(2, {"it": words}, env={} if parallel else by_root)["it"]

    words = ("fit", folder / "data", "-k", K, "-o", tmp_path / "out.h5", *VECTORS)
    through(written, *words, "--max-rounds", 23).ended(4)
    through(read, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 60).ended(4)
    np.testing.assert_allclose(components(tmp_path / "out.h5"), whole, rtol=0, atol=1e-12)


def test_the_other_stack_reads_it(folder, stopped, whole, tmp_path):
    """Where another stack is named its resume goes on from this one's checkpoint, and this one
    from what it wrote.
    """
    python, mpiexec = (
        os.environ.get("HPCPCA_OTHER_STACK_PYTHON"),
        os.environ.get("HPCPCA_OTHER_MPIEXEC"),
    )
    other = (
        {
            "command": (python, "-m", "hpcpca"),
            "mpiexec": mpiexec.split(),
            "env": {"MPI4PY_LIBMPI": None},
        }
        if python and mpiexec
        else {}
    )
    checkpoint = copied(stopped["vectors"], tmp_path)
    run(2, "resume", checkpoint, "--max-rounds", 40, "-o", tmp_path / "there.h5", **other).ended(4)
    run(
        2, "resume", tmp_path / "there.h5.ckpt", "--max-rounds", 60, "-o", tmp_path / "back.h5"
    ).ended(4)
    np.testing.assert_allclose(components(tmp_path / "back.h5"), whole, rtol=0, atol=1e-12)
    run(1, "info", tmp_path / "there.h5").ok()


@pytest.mark.once
def test_a_result_that_is_a_symlink(folder, tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "out.h5").symlink_to(tmp_path / "scratch" / "real.h5")
    fit(folder, tmp_path / "out.h5").ok()
    assert (tmp_path / "out.h5").is_symlink() and (tmp_path / "scratch" / "real.h5").is_file()


@pytest.mark.once
def test_the_log_goes_on(folder, tmp_path):
    log = tmp_path / "log.json"
    fit(folder, tmp_path / "out.h5", "--max-rounds", 2, "--log-json", log).ended(4)
    run(2, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 500, "--log-json", log).ok()
    rounds = [json.loads(line)["round"] for line in log.read_text().splitlines()]
    assert rounds[:2] == [1, 2] and rounds[-1] > 2
