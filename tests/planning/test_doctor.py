"""``hpcpca doctor``: says what is well, and finds what is not."""

import os

import pytest
from launch import launcher, program, run


def test_doctor(tmp_path):
    done = run(2, "doctor", tmp_path)
    assert done.code in (0, 4) and "internal" not in done.stderr, done
    for what in (
        "launcher:",
        "binding:",
        "memory:",
        "/dev/shm:",
        "h5py:",
        "folder:",
        "locks:",
        "kernels:",
        "speed:",
    ):
        assert done.stdout.count(what) == 1, done.stdout
    assert "2 rank(s) on 1 node(s)" in done.stdout and list(tmp_path.iterdir()) == []
    assert ("all is well" in done.stdout) == (done.code == 0)


def test_more_ranks_than_processors(tmp_path):
    crowd = len(os.sched_getaffinity(0)) + 1
    done = run(crowd, "doctor", tmp_path).ended(4)
    assert "TROUBLE  binding:" in done.stdout and "more ranks than processors" in done.stdout


def test_ranks_bound_to_one_processor(tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor only")
    first = str(min(os.sched_getaffinity(0)))
    done = run(
        0, "-c", first, *launcher(), "-n", 2, *program(), "doctor", tmp_path, command=("taskset",)
    ).ended(4)
    assert "TROUBLE  binding:" in done.stdout and "are idle" in done.stdout, done


def test_more_threads_than_processors(tmp_path):
    done = run(1, "doctor", tmp_path, env={"OMP_NUM_THREADS": 64}).ended(4)
    assert "TROUBLE  threads:" in done.stdout, done


def test_folder_that_cannot_be_written():
    done = run(1, "doctor", "/proc").ended(4)
    assert "TROUBLE  folder:" in done.stdout


@pytest.mark.parametrize(
    "asked, most", [("1", 1), ("1,2", 1), ("64", None), ("", None), ("0", None), ("many", None)]
)
def test_default_threads_are_as_many_as_were_asked_for_at_most(monkeypatch, alone, asked, most):
    from hpcpca.comm.world import World

    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    world = World(alone)
    assert world.default_threads() == (most or len(os.sched_getaffinity(0)))
    world.free()
