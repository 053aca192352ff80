"""The batch scripts of slurm/ on a real SLURM of two virtual nodes (``bin/test --slurm`` starts
it): run, stopped and requeued in every way.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import spectra
from launch import environment, launched, launcher, run
from slow_reading import D, K, N, slowed

pytestmark = pytest.mark.skipif(
    "HPCPCA_TEST_SLURM" not in os.environ, reason="needs bin/test --slurm"
)
SCRIPTS = Path(__file__).resolve().parent.parent.parent / "slurm"
STACK = os.environ.get("HPCPCA_TEST_STACK", "mpich")
SRUN = f"srun -K --mpi={'pmix' if STACK == 'openmpi' else 'pmi2'}"
SLOW_AT_FIRST = """#!{python}
# hpcpca, slow to read until its job is started again
import os, sys
if not int(os.environ.get("SLURM_RESTART_COUNT") or 0):
    exec({code!r})
from hpcpca.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, the result of an uninterrupted run, and an ``hpcpca`` whose passes take 2 s on two
    ranks until it is requeued.
    """
    here = tmp_path_factory.mktemp("slurm")
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(here / "data", s1=rows[:1234], s2=rows[1234:])
    (here / "bin").mkdir()
    command = here / "bin" / "hpcpca"
    command.write_text(
        SLOW_AT_FIRST.format(
            python=sys.executable, code=slowed('float(os.environ.get("HPCPCA_TEST_SLOW", "0.06"))')
        )
    )
    command.chmod(0o755)
    words = ("fit", here / "data", "-k", K, "-o", here / "whole.h5", "--operator", "streaming")
    launched(2, *words).ok()
    return here


class Job:
    """A submitted job, and the files it writes."""

    def __init__(self, here, script, folder, *options, words=(), slow=True, **variables):
        self.here = here
        shutil.copytree(SCRIPTS, here / "slurm", dirs_exist_ok=True)
        path = f"{folder / 'bin'}:{os.environ['PATH']}" if slow else os.environ["PATH"]
        variables = {
            "PATH": path,
            "LAUNCH": SRUN,
            "DATA": folder / "data",
            "K": K,
            "OUT": "out.h5",
            "HDF5_USE_FILE_LOCKING": None,
            **variables,
        }
        self.environment = environment(SLURM_CONF=os.environ["HPCPCA_TEST_SLURM"], **variables)
        asked = ["--nodes=2", "--ntasks-per-node=1", "--mem=2G", *options]
        self.number = self.command(
            "sbatch", "--parsable", *asked, here / "slurm" / script, *words
        ).strip()

    def command(self, *words):
        done = subprocess.run(
            [*map(str, words)],
            cwd=self.here,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done
        return done.stdout

    @property
    def log(self):
        return "".join(path.read_text() for path in sorted(self.here.glob("slurm-*.out")))

    @property
    def state(self):
        return self.command("squeue", "-h", "-t", "all", "-j", self.number, "-o", "%T").split()

    def until(self, condition, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.state, self.log)
            time.sleep(0.1)

    def ended(self, state="COMPLETED", seconds=120):
        self.until(
            lambda: (
                set(self.state)
                <= {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"}
            ),
            seconds,
        )
        assert set(self.state) == {state}, (self.state, self.log)
        return self

    def working(self):
        """Wait until the ranks compute, and a second more."""
        self.until(lambda: "operator:" in self.log)
        time.sleep(1.5)


def finished(job, folder, name="out.h5"):
    """The result is there, verified, and equal to that of the uninterrupted run."""
    run(1, "verify", job.here / name, folder / "data").ok()
    with h5py.File(job.here / name) as file, h5py.File(folder / "whole.h5") as whole:
        np.testing.assert_allclose(
            file["explained_variance"][...], whole["explained_variance"][...], rtol=1e-9
        )
        assert file.attrs["outcome"] == "converged"
    assert not list(job.here.glob("*.ckpt*"))


@pytest.mark.parametrize("launch", ["srun", "mpiexec"])
def test_runs_on_two_nodes(folder, tmp_path, launch):
    words = SRUN if launch == "srun" else " ".join([*launcher(), "-n", "2"])
    job = Job(tmp_path, "fit.sbatch", folder, slow=False, LAUNCH=words).ended()
    finished(job, folder)
    assert "2 rank(s)" in job.log


@pytest.mark.parametrize("launch", ["srun", "mpiexec"])
def test_stopped_by_usr1_and_requeued(folder, tmp_path, launch):
    words = SRUN if launch == "srun" else " ".join([*launcher(), "-n", "2"])
    job = Job(tmp_path, "fit.sbatch", folder, LAUNCH=words)
    job.working()
    job.command("scancel", "-s", "USR1", "--batch", job.number)
    job.ended()
    finished(job, folder)
    assert (
        "SIGUSR1 received" in job.log
        and "hpcpca resume out.h5.ckpt (start 1)" in job.log
        and job.log.count("requeued") == 1
    )


@pytest.mark.once
def test_time_limit(folder, tmp_path):
    """The limit is a minute, the signal is asked for 50 s before it (and may come earlier)."""
    job = Job(tmp_path, "fit.sbatch", folder, "--time=1", "--signal=B:USR1@50", HPCPCA_TEST_SLOW=2)
    job.ended(seconds=100)
    finished(job, folder)
    assert (
        "received" in job.log and "stops with a checkpoint in" in job.log and "(start 1)" in job.log
    )


@pytest.mark.once
def test_preempted(folder, tmp_path):
    job = Job(tmp_path, "fit.sbatch", folder)
    job.working()
    other = tmp_path / "other"
    other.mkdir()
    (other / "short.sbatch").write_text("#!/bin/bash\nsleep 1\n")
    job.command(
        "sbatch", "-p", "high", "-N2", "--exclusive", "-o", "/dev/null", other / "short.sbatch"
    )
    job.ended()
    finished(job, folder)
    assert "PREEMPTION" in job.log and "resume out.h5.ckpt" in job.log


@pytest.mark.once
def test_a_node_goes_down(folder, tmp_path):
    """Nobody is asked: what is left is the last checkpoint."""
    job = Job(
        tmp_path,
        "fit.sbatch",
        folder,
        words=("--checkpoint-every", "1r", "--operator", "streaming", "--cold"),
    )
    job.until(lambda: (tmp_path / "out.h5.ckpt").exists())
    job.command("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    job.until(
        lambda: job.state == ["PENDING"]
    )  # the node comes back by itself: its slurmd is alive
    job.ended()
    finished(job, folder)
    assert "resume out.h5.ckpt" in job.log


@pytest.mark.once
def test_scancel(folder, tmp_path):
    """Cancelled means not requeued; the checkpoint is there for whoever wants to go on."""
    job = Job(tmp_path, "fit.sbatch", folder)
    job.working()
    job.command("scancel", job.number)
    job.ended("CANCELLED")
    assert "SIGTERM received" in job.log
    run(2, "resume", "out.h5.ckpt", cwd=tmp_path).ok()
    finished(job, folder)


@pytest.mark.once
def test_array(folder, tmp_path):
    (tmp_path / "list.txt").write_text(f"{folder}/data a.h5\n{folder}/data/*.h5 b.h5\n")
    job = Job(tmp_path, "array.sbatch", folder, "--nodes=1", LIST="list.txt")
    job.until(lambda: job.log.count("operator:") == 2)
    job.command("scancel", "-s", "USR1", "--batch", f"{job.number}_2")
    job.ended()
    finished(job, folder, "a.h5")
    finished(job, folder, "b.h5")
    assert job.log.count("requeued") == 1


@pytest.mark.once
def test_scaling(folder, tmp_path):
    Job(tmp_path, "scaling.sbatch", folder, "--ntasks-per-node=2", slow=False).ended()
    table = (tmp_path / "scaling.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in table[2:]] == ["1", "2", "4"] and not list(
        tmp_path.glob("scaling.??????")
    )


@pytest.mark.once
def test_planned_batch_file(folder, tmp_path):
    """What ``plan --sbatch`` writes runs the job that was planned, and is requeued like the
    scripts.
    """
    words = (
        "plan",
        folder / "data",
        "-k",
        K,
        "--ranks",
        2,
        "--nodes",
        2,
        "--operator",
        "streaming",
        "--tol",
        "1e-8",
        "-o",
        "out.h5",
    )
    (tmp_path / "slurm").mkdir()
    run(0, *words, "--sbatch", tmp_path / "slurm" / "planned.sbatch").ok()
    job = Job(tmp_path, "planned.sbatch", folder)
    job.working()
    job.command("scancel", "-s", "USR1", "--batch", job.number)
    job.ended()
    finished(job, folder)
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["operator"] == "streaming" and file.attrs["tol"] == 1e-8
    assert "(start 1)" in job.log
