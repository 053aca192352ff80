"""Asking ranks to stop: a rumour that needs no collective call; signals; deadlines; row
intervals that are done; locks.
"""

import os
import signal
import stat
import sys
import time

import numpy as np
import pytest
from launch import run, wait_for

from hpcpca.engine.deadline import Deadline, deadline, job_seconds_left
from hpcpca.errors import Interrupted, PlatformError
from hpcpca.files.lock import Lock, is_running, read
from hpcpca.partition import merged, outside
from hpcpca.sources.part import Part
from hpcpca.sources.source import Source


@pytest.mark.mpi(min_size=1)
@pytest.mark.parametrize("fan_out", [1, 2, 8])
@pytest.mark.parametrize("teller", [0, -1, None])
def test_a_rumour_reaches_every_rank(comm, findings, monkeypatch, fan_out, teller):
    """Told by one rank, or by all at once: each hears of it without a collective call; then all
    agree, and nothing is left to receive.
    """
    from mpi4py import MPI

    from hpcpca.comm import interrupt as module

    monkeypatch.setattr(module, "FAN_OUT", fan_out)
    interrupt = module.Interrupt(comm)
    findings.that(not interrupt.requested() and interrupt.agreed() == 0, "asked by nobody")
    comm.Barrier()
    if teller is None or comm.rank == teller % comm.size:
        interrupt.asked = lambda: 10
    wait_for(interrupt.requested)
    findings.that(interrupt.agreed() == 10, "agreed on")
    findings.that(not interrupt.comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG), "a message is left")
    interrupt.text = "reason {}".format
    for stop in (
        interrupt.stop_if_agreed,
        lambda: interrupt.stop_if(comm.rank == 0, lambda: "rest"),
    ):
        try:
            stop()
            findings.that(False, "no exception")
        except Interrupted as error:
            findings.that(str(error) == "reason 10" and error.is_agreed, str(error))
    interrupt.free()


@pytest.mark.mpi(min_size=1)
def test_nobody_asked_costs_nothing(comm, findings):
    from hpcpca.comm.interrupt import Interrupt

    interrupt = Interrupt(comm)
    interrupt.stop_if_agreed()
    interrupt.stop_if(False)
    used = time.process_time()
    for _ in range(10_000):
        interrupt.requested()
    findings.that(time.process_time() - used < 10, "asking is slow")
    interrupt.free()


def test_intervals():
    chance = np.random.default_rng(3)
    for _ in range(200):
        intervals = [
            (a, a + int(chance.integers(0, 6)))
            for a in chance.integers(0, 40, int(chance.integers(0, 9))).tolist()
        ]
        done = merged(intervals)
        rows = {row for a, b in intervals for row in range(a, b)}
        assert [row for a, b in done for row in range(a, b)] == sorted(rows)
        assert (done[1:, 0] > done[:-1, 1]).all()
        start, stop = sorted(chance.integers(0, 50, 2).tolist())
        assert [row for a, b in outside(start, stop, done) for row in range(a, b)] == [
            row for row in range(start, stop) if row not in rows
        ]


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_pieces_left_are_what_is_not_done(shards):
    """Over all shards every row that is not done comes once, in shares of nearly equal numbers
    of rows.
    """
    source = Source(
        [
            Part(f"f{i}", "X", rows, 4, "f8", chunk_rows=chunk, size=0, mtime=0.0, content=0)
            for i, (rows, chunk) in enumerate([(1000, 1), (0, 1), (2500, 10), (37, 5)])
        ]
    )
    for done in (
        merged([]),
        merged([(0, 400), (900, 1200), (3500, 3537)]),
        merged([(0, source.n)]),
        merged([(1, source.n)]),
    ):
        rows, shares = [], []
        for shard in range(shards):
            pieces = source.pieces_left(done, shards, shard, 640)
            mine = [
                int(source.first_rows[number]) + row
                for number, start, stop in pieces
                for row in range(start, stop)
            ]
            assert all(stop - start <= 20 for _, start, stop in pieces)
            shares.append(len(mine))
            rows += mine
        taken = {row for a, b in done for row in range(a, b)}
        assert rows == [row for row in range(source.n) if row not in taken]
        if shards > 1 and len(rows) > 1000:
            assert max(shares) - min(shares) <= 60


def test_signals_in_a_process_of_its_own():
    code = """
import os, signal, time
from hpcpca.engine.signals import Signals
before = signal.getsignal(signal.SIGUSR1)
with Signals() as signals:
    assert signals.seen == 0
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)  # within a second: as launchers do
    while not signals.seen:
        time.sleep(0.01)
    assert signals.seen == signal.SIGUSR1, signals.seen
assert signal.getsignal(signal.SIGUSR1) is before
with Signals() as signals:
    os.kill(os.getpid(), signal.SIGINT)
    while not signals.seen:
        time.sleep(0.01)
    time.sleep(1.3)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1000)
"""
    done = run(0, command=(sys.executable, "-c", code))
    assert (
        done.code == 128 + signal.SIGTERM
        and done.stderr == "hpcpca: second signal (SIGTERM): ended at once\n"
    ), done


def test_deadline():
    assert deadline(None, 0).over() == 0 and deadline(None, 0).describe() is None
    assert deadline(100, 98).over() == 0 and deadline(100, 99.5).over() == 101
    ends = Deadline({101: time.monotonic() + 10})
    assert ends.over() == 0 and "(--max-time)" in ends.describe()
    ends.checkpoint_seconds = 6  # twice that is more than what is left
    assert ends.over() == 101


@pytest.mark.parametrize(
    "says, left", [("%FT%T", 600), ("N/A", None), ("", None), ("exit 1", None)]
)
def test_end_of_a_slurm_job(tmp_path, monkeypatch, says, left):
    squeue = tmp_path / "squeue"
    text = time.strftime(says, time.localtime(time.time() + 600)) if left else says
    squeue.write_text(
        "#!/bin/sh\n"
        + (text if text.startswith("exit") else f'[ "$*" = "-h -j 42 -o %e" ] && echo "{text}"')
        + "\n"
    )
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = job_seconds_left({"SLURM_JOB_ID": "42"})
    assert found is None if left is None else abs(found - left) < 5
    assert job_seconds_left({}) is None
    assert (
        abs(
            job_seconds_left(
                {"SLURM_JOB_ID": "42", "SLURM_JOB_END_TIME": str(int(time.time()) + 50)}
            )
            - 50
        )
        < 2
    )


def test_lock(tmp_path):
    path = str(tmp_path / "a.ckpt")
    first = Lock(path)
    assert (
        first.is_held and is_running(path + ".lock") and read(path + ".lock")["pid"] == os.getpid()
    )
    first.note(
        {
            "round": 7,
            "components": 3,
            "converged": 1,
            "residual": None,
            "tol": 0.0,
            "passes": 2.5,
            "seconds": 1,
        }
    )
    assert read(path + ".lock")["round"] == 7
    code = "import sys; from hpcpca.files.lock import Lock; Lock(sys.argv[1])"
    done = run(0, path, command=(sys.executable, "-c", code))
    assert "PlatformError" in done.stderr and f"process {os.getpid()} on" in done.stderr
    first.release()
    assert not is_running(path + ".lock") and not os.path.exists(path + ".lock")
    run(
        0,
        path,
        command=(
            sys.executable,
            "-c",
            code + "; import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        ),
    ).ended(-signal.SIGKILL)
    second = Lock(path)
    with pytest.raises(PlatformError):
        Lock(path)
    second.release()
    nowhere = Lock(str(tmp_path / "none" / "a.ckpt"))
    assert not nowhere.is_held
    nowhere.note({})
    nowhere.release()


HOLDER = '"host": "h", "pid": 1, "started": 1.0, "updated": 2.0'


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[" * 100_000,
        "[]",
        "{}",
        '{"host": 1, "pid": 1}',
        "{" + HOLDER.replace("2.0", "NaN") + "}",
        "{" + HOLDER.replace("2.0", "1e99") + "}",
        "{" + HOLDER.replace("1,", '"x",') + "}",
        "{" + HOLDER + ', "round": 3}',
    ],
)
def test_lock_files_that_others_wrote(tmp_path, text):
    """Nobody's figures rather than a traceback."""
    (tmp_path / "b.ckpt.lock").write_text(text)
    assert read(str(tmp_path / "b.ckpt.lock")) == {}
    (tmp_path / "b.ckpt.lock").write_text("{" + HOLDER + "}")
    assert read(str(tmp_path / "b.ckpt.lock"))["pid"] == 1
