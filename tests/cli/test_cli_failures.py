"""One rank fails alone, or the launcher is not that of the library: the job ends within seconds
with one message, nothing lost.
"""

import os
import shutil
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import HERE, finish, launcher, ranks_of, run, start, wait_for

from hpcpca.files.lock import is_running

WHO = """
import os, sys, time
RANK = int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
def failing(owner, name, calls, error):
    old, count = getattr(owner, name), [0]
    def wrapper(*arguments, **options):
        count[0] += 1
        if count[0] == calls:
            raise error
        return old(*arguments, **options)
    setattr(owner, name, wrapper)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file that takes several rounds."""
    path = tmp_path_factory.mktemp("failures") / "x.h5"
    with h5py.File(path, "w") as file:
        file["X"] = np.random.default_rng(1).standard_normal((600, 200)) / np.arange(1, 201) ** 0.25
    return path


def inject(rank, module, owner, name, calls, error):
    """Code that makes the ``calls``-th call of owner.name raise ``error`` on ``rank``.

    All ranks look for the name: if one alone did not find it, the others would wait for it.
    """
    owner = f"{module}.{owner}" if owner else module
    return (
        f"{WHO}\nimport {module}\n{owner}.{name}\n"
        f"if RANK == {rank}:\n    failing({owner}, {name!r}, {calls}, {error})"
    )


STAGES = {  # module, class, function, which call
    "look at the files": ("hpcpca.sources.found", "", "expand", 1),
    "read": ("hpcpca.sources.source", "Source", "read", 1),
    "check": ("hpcpca.sources.source", "Source", "check_finite", 1),
    "apply": ("hpcpca.operators.in_memory", "InMemoryCovariance", "apply", 3),
    "publish": ("hpcpca.comm.exchange", "Exchange", "publish", 4),
    "solve": ("hpcpca.comm.exchange", "Exchange", "from_root", 4),
    "monitor": ("hpcpca.engine.history", "History", "__call__", 2),
    "write the checkpoint": ("hpcpca.files.hdf5", "", "row_checksums", 1),
    "write the result": ("hpcpca.engine.content", "", "result_arrays", 3),
    "release": ("hpcpca.comm.exchange", "Exchange", "free", 1),
}
# The root has a part of its own in these; in the others it does what all ranks do.
OF_THE_ROOT = ("look at the files", "solve", "write the checkpoint", "write the result")
# Where the others are then matters to the MPI library: in a collective, or in one of HDF5, or at
# the end. The other stages are no more than the program's own.
ON_BOTH_STACKS = ("read", "publish", "write the result", "release")
ERRORS = {
    "ValueError('injected')": 1,
    "MemoryError('injected')": 5,
    "OSError(5, 'injected')": None,
    "KeyboardInterrupt('injected')": 130,
}


@pytest.mark.parametrize(
    "stage, rank",
    [pytest.param(stage, 0, marks=pytest.mark.once) for stage in OF_THE_ROOT]
    + [
        pytest.param(stage, 1, marks=[] if stage in ON_BOTH_STACKS else [pytest.mark.once])
        for stage in STAGES
        if stage != "look at the files"
    ],
)
def test_bug_on_one_rank(data, tmp_path, stage, rank):
    code = inject(rank, *STAGES[stage], "ValueError('injected')")
    done = run(
        2,
        "fit",
        data,
        "-k",
        3,
        "-o",
        tmp_path / "out.h5",
        "--operator",
        "in-memory",
        "--checkpoint-every",
        "1r",
        inject=code,
    )
    assert done.code == 1, done.stderr
    assert f"internal error on rank {rank}" in done.stderr and "injected" in done.stderr
    assert len(done.messages) == 1, done.messages
    assert not any(path.name.endswith(".part") for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "stage, error",
    [
        ("apply", "ValueError('injected')"),
        ("apply", "KeyboardInterrupt('injected')"),
        *(
            pytest.param(*each, marks=pytest.mark.once)
            for each in (
                ("read", "OSError(5, 'injected')"),
                ("apply", "MemoryError('injected')"),
                ("apply", "OSError(5, 'injected')"),
            )
        ),
    ],
)
def test_any_error_on_one_rank(data, tmp_path, stage, error):
    done = run(
        2,
        "fit",
        data,
        "-k",
        3,
        "-o",
        tmp_path / "out.h5",
        "--operator",
        "in-memory",
        "--exchange",
        "vectors",
        "--max-rounds",
        9,
        inject=inject(1, *STAGES[stage], error),
    )
    assert done.code == ERRORS[error] or (ERRORS[error] is None and done.code in (1, 3, 5)), (
        done.stderr
    )
    assert len(done.messages) == 1, done.messages
    assert "injected" in done.stderr or "interrupted" in done.stderr
    lock = tmp_path / "out.h5.ckpt.lock"
    wait_for(lambda: not is_running(lock))  # the last ranks may go a moment after mpiexec
    assert set(tmp_path.iterdir()) <= {lock}


FULL = """
import h5py
def full(owner, name, file_of, ranks):
    plain = getattr(owner, name)
    def wrapper(self, *arguments, **options):
        if RANK in ranks and os.path.basename(file_of(self).filename) == WANTED:
            raise OSError(28, "No space left on device")
        return plain(self, *arguments, **options)
    setattr(owner, name, wrapper)
"""
WHEN = {
    "the file is created": (
        'full(h5py.Group, "create_dataset", lambda self: self.file, (0, 1))'
    ),  # collective: fails on all ranks
    "rows are written": 'full(h5py.Dataset, "__setitem__", lambda self: self.file, (0,))',
}


@pytest.mark.parametrize(
    "what, when, overwrite",
    [
        ("result", "the file is created", False),
        pytest.param("result", "rows are written", True, marks=pytest.mark.once),
        pytest.param("checkpoint", "the file is created", True, marks=pytest.mark.once),
        ("checkpoint", "rows are written", False),
    ],
)
def test_disk_full(data, tmp_path, what, when, overwrite):
    """A checkpoint that cannot be written costs a warning, a result the exit code; files that
    were there stay.
    """
    output = tmp_path / "out.h5"
    if overwrite:
        with h5py.File(output, "w") as file:
            file.attrs["format"] = "hpcpca-result"
        precious = output.read_bytes()
    wanted = ".out.h5.part" if what == "result" else ".out.h5.ckpt.part"
    code = f"{WHO}\nWANTED = {wanted!r}{FULL}{WHEN[when]}"
    done = run(
        2,
        "fit",
        data,
        "-k",
        3,
        "-o",
        output,
        "--checkpoint-every",
        "1r",
        *(["--overwrite"] if overwrite else []),
        inject=code,
    )
    left = {path.name for path in tmp_path.iterdir()}
    if what == "checkpoint":
        assert (
            done.code == 0
            and "warning: checkpoint not written" in done.stderr
            and "No space left" in done.stderr
        )
        assert left == {"out.h5"}
        return
    assert done.code in (3, 5) and len(done.messages) == 1, done.stderr
    assert "out.h5" in done.messages[0] and "No space left" in done.messages[0]
    assert left - {"out.h5.ckpt", "out.h5.ckpt.1"} == ({"out.h5"} if overwrite else set())
    assert not overwrite or output.read_bytes() == precious


@pytest.mark.parametrize("victim", [0, -1])
def test_killed_rank(data, tmp_path, victim):
    log = tmp_path / "log"
    process = start(
        3,
        "fit",
        data,
        "-k",
        8,
        "-o",
        tmp_path / "out.h5",
        "--exchange",
        "vectors",
        "--tol",
        0,
        "--max-rounds",
        10**8,
        "--log-json",
        log,
    )
    wait_for(lambda: log.exists() and log.stat().st_size)  # they are at work
    assert len(ranks_of(process)) == 3
    os.kill(ranks_of(process)[victim], signal.SIGKILL)
    assert finish(process).code != 0


PMI, OMPI = ("PMI_SIZE", "PMI_RANK"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")


@pytest.mark.parametrize(
    "command, names",
    [
        ("fit", PMI),
        ("fit", OMPI),
        pytest.param("resume", PMI, marks=pytest.mark.once),
        pytest.param("verify", OMPI, marks=pytest.mark.once),
    ],
)
def test_worlds_of_size_one(data, tmp_path, names, command):
    """The first and the last of four processes that a launcher of another MPI started: each alone
    in its world.
    """
    arguments = {
        "fit": ("fit", data, "-k", 3, "-o", tmp_path / "out.h5"),
        "resume": ("resume", data),
        "verify": ("verify", data, data),
    }[command]
    done = [run(0, *arguments, env={names[0]: 4, names[1]: rank}) for rank in (0, 3)]
    assert [each.code for each in done] == [5, 5], done[0].stderr
    told = [message for each in done for message in each.messages]
    assert len(told) == 1 and "mpiexec started 4 processes" in told[0], told
    assert list(tmp_path.iterdir()) == []


def other_launcher():
    """mpiexec, with its options, of the MPI that is not this stack's; empty where there is one
    MPI only.
    """
    if os.environ.get("HPCPCA_OTHER_MPIEXEC"):
        return os.environ["HPCPCA_OTHER_MPIEXEC"].split()
    if "openmpi" in launcher()[0]:
        beside = HERE.parent / ".venv-mpich" / "bin" / "mpiexec"  # bin/test's
        found = shutil.which("mpiexec.mpich") or (str(beside) if beside.exists() else None)
        return [found] if found else []
    found = shutil.which("mpiexec.openmpi")
    return [found, "--oversubscribe"] if found else []


def test_wrong_launcher(data, tmp_path):
    mpiexec = other_launcher()
    if not mpiexec:
        pytest.skip("one MPI only on this machine")
    done = run(4, "fit", data, "-k", 3, "-o", tmp_path / "out.h5", mpiexec=mpiexec)
    assert done.code == 5 and len(done.messages) == 1, done.stderr
    assert "4 processes" in done.messages[0] and not Path(tmp_path / "out.h5").exists()


def test_mpi_that_cannot_be_loaded(data, tmp_path):
    done = run(
        0,
        "fit",
        data,
        "-k",
        3,
        "-o",
        tmp_path / "out.h5",
        env={"MPI4PY_LIBMPI": "/nowhere/libmpi.so"},
    )
    assert done.code == 5 and len(done.messages) == 1, done.stderr
    assert "Traceback" not in done.stderr and "MPI cannot be loaded" in done.messages[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "--no-such-option"),
        pytest.param(("fit", "-k"), marks=pytest.mark.once),
        pytest.param(("nothing",), marks=pytest.mark.once),
        pytest.param(("--nothing",), marks=pytest.mark.once),
        ("resume",),
    ],
)
def test_usage_error_is_told_once(arguments):
    """Even where every rank is a process that knows only what the launcher's environment says."""
    done = run(3, *arguments)
    assert (
        done.code == 2
        and len(done.messages) == 1
        and len(done.messages[0]) > len("hpcpca: error: ")
    ), done.stderr
