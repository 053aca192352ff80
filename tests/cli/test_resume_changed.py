"""``hpcpca resume`` where something is not as it was: data that moved or changed, checkpoints that
were damaged.
"""

import os
import shutil

import h5py
import numpy as np
import pytest
from launch import batch, run
from resumable import D, K, N, components, copied, stopped_runs, uninterrupted, write_data

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in three shards, the same rows elsewhere, and others."""
    here = tmp_path_factory.mktemp("resume")
    write_data(here)
    shutil.copytree(here / "data", here / "moved")
    with h5py.File(here / "other.h5", "w") as file:
        file["X"] = np.random.default_rng(0).standard_normal((N, D))
    return here


@pytest.fixture(scope="module")
def whole(folder):
    return uninterrupted(folder)


@pytest.fixture(scope="module")
def stopped(folder):
    return stopped_runs(folder)


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


def test_data_that_changed_are_refused(folder, tmp_path):
    shutil.copytree(folder / "data", tmp_path / "data")
    run(2, "fit", tmp_path / "data", "-k", K, "-o", tmp_path / "out.h5", "--max-rounds", 2).ended(4)
    with h5py.File(tmp_path / "data" / "s2.h5", "r+") as file:
        file["X"][...] += 1
    assert "other data" in run(2, "resume", tmp_path / "out.h5.ckpt").ended(3).messages[0]


def test_a_file_written_to_since(folder, tmp_path):
    """Rows that nobody compared may have changed: said, not refused."""
    shutil.copytree(folder / "data", tmp_path / "data")
    run(2, "fit", tmp_path / "data", "-k", K, "-o", tmp_path / "out.h5", "--max-rounds", 2).ended(4)
    os.utime(tmp_path / "data" / "s2.h5", (1, 1))
    done = run(2, "resume", tmp_path / "out.h5.ckpt", "--max-rounds", 500).ok()
    assert done.stderr.count("hpcpca: warning: ") - done.stderr.count("take turns") == 1
    assert "s2.h5 was written to after" in done.stderr


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
