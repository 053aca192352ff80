"""Runs that are killed with -9 at any moment: ``hpcpca resume`` goes on to the answer of an
uninterrupted one. And two that would write the same files.
"""

import os
import random
import signal
import time
from contextlib import suppress

import h5py
import numpy as np
import pytest
import spectra
from launch import finish, ranks_of, run, start, wait_for

K, N, D = 6, 400, 40
VECTORS = ("--exchange", "vectors", "--precision", "double", "--tol", "0", "--local-steps", "2")
LONG = 120  # rounds of a run that is killed
SLOW = """import time, hpcpca.engine.history as h
old = h.History.__call__
h.History.__call__ = lambda self, report: (old(self, report), time.sleep(0.1))[0]"""


def fitting(folder, output):
    """The words of a fit of the data to ``output``, but for when it ends."""
    return ("fit", folder / "data", "-k", K, "-o", output, *VECTORS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in three shards."""
    here = tmp_path_factory.mktemp("killed")
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=1.0)
    spectra.write_shards(here / "data", s1=rows[:33], s2=rows[33:300], s10=rows[300:])
    return here


def components(path):
    with h5py.File(path) as file:
        return file["components"][...]


@pytest.fixture(scope="module")
def whole(folder):
    """Components of an uninterrupted run."""
    run(2, *fitting(folder, folder / "whole.h5"), "--max-rounds", LONG).ended(4)
    return components(folder / "whole.h5")


@pytest.mark.parametrize("seed, victims", [(0, "one"), (1, "all")])
def test_killed_at_any_moment(folder, whole, tmp_path, seed, victims):
    """kill -9 of one rank or all after the first checkpoint, twice; then resume to the same
    components.
    """
    chance, output = random.Random(f"{seed} {victims}"), tmp_path / "out.h5"
    checkpoint = tmp_path / "out.h5.ckpt"
    words = (*fitting(folder, output), "--max-rounds", LONG, "--checkpoint-every", "1r")
    process = start(3, *words, inject=SLOW)
    for _ in range(2):
        killed_after(process, checkpoint, chance.uniform(0, 0.6), victims, chance)
        process = start(chance.choice((1, 2)), "resume", checkpoint, inject=SLOW)
    killed_after(process, checkpoint, chance.uniform(0, 0.6), "all", chance)
    assert not output.exists(), "the run was over before it was killed; make it longer"
    run(chance.choice((1, 2, 4)), "resume", checkpoint, "--checkpoint-every", "10m").ended(4)
    np.testing.assert_allclose(components(output), whole, rtol=0, atol=1e-12)
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")]


def written(path):
    """When the file was written, or None if it is not there, as while another takes its place."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def killed_after(process, checkpoint, delay, victims, chance):
    """Wait for a (new) checkpoint and ``delay`` seconds more, kill, and wait until the job is
    gone.
    """
    before = written(checkpoint)
    wait_for(lambda: process.poll() is not None or written(checkpoint) not in (None, before))
    time.sleep(delay)
    pids = ranks_of(process)
    for pid in pids if victims == "all" else [chance.choice(pids)] if pids else []:
        with suppress(ProcessLookupError):  # the launcher may have ended it after the first
            os.kill(pid, signal.SIGKILL)
    assert finish(process).code != 0


def test_killed_ritz_run_resumes_to_its_tolerance(folder, tmp_path):
    output, chance = tmp_path / "out.h5", random.Random(0)
    process = start(
        2,
        "fit",
        folder / "data",
        "-k",
        K,
        "-o",
        output,
        "--operator",
        "in-memory",
        "--cold",
        "--guards",
        0,
        "--basis",
        18,
        "--tol",
        "1e-11",
        "--checkpoint-every",
        "1r",
        inject=SLOW,
    )
    killed_after(process, tmp_path / "out.h5.ckpt", chance.uniform(0, 0.1), "all", chance)
    assert not output.exists()
    run(1, "resume", tmp_path / "out.h5.ckpt").ok()
    run(1, "verify", output, folder / "data", "--tol", "1e-11").ok()


@pytest.mark.once
def test_a_result_that_is_not_there_yet(folder, tmp_path):
    """If its run has left a checkpoint, that is named."""
    output = tmp_path / "out.h5"
    run(1, *fitting(folder, output), "--max-rounds", 2).ended(4)
    output.unlink()
    done = run(1, "resume", output).ended(3)
    assert f"go on with 'hpcpca resume {output}.ckpt'" in done.messages[0]


@pytest.mark.once
def test_one_result_is_one_runs(folder, tmp_path):
    """Another checkpoint does not make it another run; nor do symlinks; nor is there anything to
    resume before the first checkpoint.
    """
    output = tmp_path / "out.h5"
    (tmp_path / "link.ckpt").symlink_to(tmp_path / "out.h5.ckpt")
    (tmp_path / "link.h5").symlink_to(tmp_path / "out.h5")
    # five minutes
    process = start(1, *fitting(folder, output), "--max-rounds", 3000, inject=SLOW)
    wait_for((tmp_path / "out.h5.ckpt.lock").exists)
    for options in (
        ("-o", output, "--checkpoint", tmp_path / "other.ckpt", "--overwrite"),
        ("-o", tmp_path / "b.h5", "--checkpoint", tmp_path / "link.ckpt"),
        ("-o", tmp_path / "link.h5", "--overwrite"),
    ):
        done = run(1, "fit", folder / "data", "-k", K, *options).ended(5)
        assert len(done.messages) == 1 and "belongs to a run that is going on" in done.messages[0]
    assert (
        "belongs to a run that is going on"
        in run(1, "resume", tmp_path / "out.h5.ckpt").ended(5).messages[0]
    )
    os.kill(ranks_of(process)[0], signal.SIGKILL)
    finish(process)
