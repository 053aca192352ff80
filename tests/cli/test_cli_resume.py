"""``hpcpca resume``: a run that was stopped goes on to the answer of an uninterrupted one."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, run

K, N, D = 6, 400, 40
VECTORS = ("--exchange", "vectors", "--precision", "double", "--tol", "0", "--local-steps", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in three shards, and the same rows elsewhere in one file."""
    here = tmp_path_factory.mktemp("resume")
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=1.0)
    spectra.write_shards(here / "data", s1=rows[:33], s2=rows[33:300], s10=rows[300:])
    shutil.copytree(here / "data", here / "moved")
    with h5py.File(here / "other.h5", "w") as file:
        file["X"] = np.random.default_rng(0).standard_normal((N, D))
    return here


def fit(folder, output, *options, n=2):
    return run(n, "fit", folder / "data", "-k", K, "-o", output, *options)


def components(path):
    with h5py.File(path) as file:
        return file["components"][...]


@pytest.fixture(scope="module")
def whole(folder):
    """Components of an uninterrupted run of 60 rounds."""
    path = folder / "whole.h5"
    fit(folder, path, *VECTORS, "--max-rounds", 60).ended(4)
    return components(path)


@pytest.fixture(scope="module")
def stopped(folder):
    """A vectors run and a ritz run stopped early: {name: result}; the checkpoint lies beside it."""
    found = {"vectors": folder / "vectors.h5", "ritz": folder / "ritz.h5"}
    fit(folder, found["vectors"], *VECTORS, "--max-rounds", 23).ended(4)
    fit(folder, found["ritz"], "--max-rounds", 2, "--operator", "in-memory").ended(4)
    return found


def copied(path, folder):
    """A copy of a result and its checkpoint in another folder; return the copy of the
    checkpoint.
    """
    for end in ("", ".ckpt"):
        shutil.copy(f"{path}{end}", folder)
    return folder / f"{path.name}.ckpt"


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
def test_moved_data(folder, stopped, tmp_path):
    checkpoint = copied(stopped["ritz"], tmp_path)
    run(
        2,
        "resume",
        checkpoint,
        "--data",
        folder / "moved",
        "--max-rounds",
        500,
        "-o",
        tmp_path / "on.h5",
    ).ok()
    run(1, "verify", tmp_path / "on.h5", folder / "data").ok()


@pytest.mark.once
def test_other_data_are_refused(folder, stopped, tmp_path):
    checkpoint = copied(stopped["ritz"], tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run(
        2,
        "resume",
        checkpoint,
        "--data",
        folder / "other.h5",
        "--max-rounds",
        500,
        "-o",
        tmp_path / "on.h5",
    ).ended(3)
    assert len(done.messages) == 1 and "other data" in done.messages[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.once
def test_data_that_changed_are_refused(folder, tmp_path):
    shutil.copytree(folder / "data", tmp_path / "data")
    run(2, "fit", tmp_path / "data", "-k", K, "-o", tmp_path / "out.h5", "--max-rounds", 2).ended(4)
    with h5py.File(tmp_path / "data" / "s2.h5", "r+") as file:
        file["X"][...] += 1
    assert "other data" in run(2, "resume", tmp_path / "out.h5.ckpt").ended(3).messages[0]


@pytest.mark.once
def test_fit_that_finds_a_checkpoint(folder, tmp_path):
    output = tmp_path / "out.h5"
    fit(folder, output, "--max-rounds", 2).ended(4)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert f"hpcpca resume {output}.ckpt" in fit(folder, output).ended(3).messages[0]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    fit(folder, output, "--overwrite").ok()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    """Change one bit in the middle of the state's vectors."""
    with h5py.File(path) as file:
        spot = file["state/vectors"].id.get_offset() + 8 * D
    with open(path, "r+b") as file:
        file.seek(spot)
        byte = file.read(1)
        file.seek(spot)
        file.write(bytes([byte[0] ^ 4]))


def attribute(path):
    with h5py.File(path, "r+") as file:
        file.attrs["state_round"] = 7


def foreign(path):
    with h5py.File(path, "w") as file:
        file["X"] = np.eye(5)


def text(path):
    path.write_text("not a checkpoint\n" * 500)


def gone(path):
    path.unlink()


@pytest.mark.once
def test_damaged_checkpoints(stopped, whole, tmp_path):
    """The previous one serves, with a warning that says so; without one: exit 3, one line,
    nothing changed.
    """
    checkpoints = {}
    for damage in (cut, flip, attribute, text, foreign, gone):
        (tmp_path / damage.__name__).mkdir()
        path = checkpoints[damage.__name__] = copied(stopped["vectors"], tmp_path / damage.__name__)
        shutil.copy(path, f"{path}.1")
        damage(path)
    on = {
        name: ("resume", path, "--max-rounds", 60, "-o", path.with_name("on.h5"))
        for name, path in checkpoints.items()
    }
    for name, done in batch(2, on).items():
        path = checkpoints[name]
        assert (
            f"previous checkpoint {path}.1" in done.ended(4).stderr
            and done.stderr.count("going on from the previous checkpoint") == 1
        ), (name, done)
        np.testing.assert_allclose(
            components(path.with_name("on.h5")), whole, rtol=0, atol=1e-12, err_msg=name
        )
        cut(path.with_name(f"{path.name}.1"))
    neither = {
        (name, command): (command, path)
        for name, path in checkpoints.items()
        for command in ("resume", "status")
    }
    for (name, _), done in batch(0, neither).items():
        told = f"{checkpoints[name]}.1, is no better: start again with 'hpcpca fit … --overwrite'"
        assert len(done.ended(3).messages) == 1 and told in done.messages[0], (name, done)
        path = checkpoints[name]
        path.with_name(f"{path.name}.1").unlink(missing_ok=True)
    off = {
        name: ("resume", path, "-o", path.with_name("off.h5")) for name, path in checkpoints.items()
    }
    for name, done in batch(2, off).items():
        path = checkpoints[name]
        assert (
            len(done.ended(3).messages) == 1
            and path.name in done.messages[0]
            and not path.with_name("off.h5").exists()
        ), (name, done)


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
def test_a_file_written_to_since(folder, tmp_path):
    """Rows that nobody compared may have changed: said, not refused."""
    shutil.copytree(folder / "data", tmp_path / "data")
    run(2, "fit", tmp_path / "data", "-k", K, "-o", tmp_path / "out.h5", "--max-rounds", 2).ended(4)
    os.utime(tmp_path / "data" / "s2.h5", (1, 1))
    done = run(2, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 500).ok()
    assert done.stderr.count("hpcpca: warning: ") - done.stderr.count("take turns") == 1
    assert "s2.h5 was written to after" in done.stderr


@pytest.mark.once
def test_the_file_that_differs_is_named(folder, tmp_path):
    shutil.copytree(folder / "data", tmp_path / "data")
    run(2, "fit", tmp_path / "data", "-k", K, "-o", tmp_path / "out.h5", "--max-rounds", 2).ended(4)
    with h5py.File(tmp_path / "data" / "s10.h5", "r+") as file:
        file["X"][...] += 1
    assert (
        "s10.h5 holds other values"
        in run(2, "resume", tmp_path / "out.h5.ckpt").ended(3).messages[0]
    )
    os.remove(tmp_path / "data" / "s2.h5")
    assert (
        "2 files instead of 3"
        in run(2, "resume", tmp_path / "out.h5.ckpt", "--data", tmp_path / "data")
        .ended(3)
        .messages[0]
    )


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
