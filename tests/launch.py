"""Starts hpcpca as a user does: whole processes under the stack's mpiexec, each with a time
limit.

``run(n, *arguments)`` is one command on n ranks (0: without a launcher). Ranks that stand by for
commands do it, since starting them takes longer than most commands; ``launched`` starts new ones.
``start``, and ``Standing.begin``, let a test do something while they work.
"""

import atexit
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import end, ranks_of

HERE = Path(__file__).resolve().parent
PROGRAM = (sys.executable, "-m", "hpcpca")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
OF_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "100",
}  # the last three: more ranks than cores must not take the time that those they wait for need (but
# ranks that do nothing but wait for each other, as those of bin/test, are slower for it)
TOLD = r"hpcpca: (?:error|internal error|not converged|verification failed|data changed)"
PATIENCE = 300  # seconds; nothing takes that long, on however busy a machine, unless it hangs
STARTED = []  # processes that nobody has waited for yet, perhaps
FROM_A_LAUNCHER = ("PMI_", "PMIX_", "OMPI_COMM_", "MPI_LOCAL", "HYDRA_")
OF_PYTEST = ("PYTEST_",)  # the name of the test at hand, which would make every environment new


@dataclass(frozen=True)
class Run:
    """What a command did: exit code, what it said, how long it took."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def messages(self):
        """The errors of ours on stderr (launchers add banners, and mix the lines of ranks)."""
        return re.findall(rf"{TOLD}(?:(?!{TOLD}).)*", self.stderr)

    def ok(self):
        """Fail the test unless the command ended with 0; return the run."""
        return self.ended(0)

    def ended(self, code):
        """Fail the test unless the command ended with ``code``; return the run."""
        assert self.code == code, (
            f"exit code {self.code} instead of {code}\n{self.stdout}\n{self.stderr}"
        )
        return self


@functools.cache
def launcher():
    """mpiexec and its options: $HPCPCA_MPIEXEC, or the one beside the interpreter, or Open
    MPI's.
    """
    if os.environ.get("HPCPCA_MPIEXEC"):
        return tuple(shlex.split(os.environ["HPCPCA_MPIEXEC"]))
    beside = Path(sys.executable).parent / "mpiexec"
    found = (
        str(beside)
        if beside.exists()
        else shutil.which("mpiexec.openmpi") or shutil.which("mpiexec")
    )
    if not found:
        pytest.fail("no mpiexec found; set HPCPCA_MPIEXEC")
    return (found, *(("--oversubscribe", "--bind-to", "none") if is_open_mpi(found) else ()))


@functools.cache
def is_open_mpi(mpiexec):
    """Whether the launcher at this path is Open MPI's."""
    told = subprocess.run(
        [mpiexec, "--version"], capture_output=True, text=True, check=False, env=environment()
    )
    return "Open MPI" in told.stdout or "Open MPI" in told.stderr


def environment(**changes):
    """This process's environment for a child: one thread per rank, nothing of a launcher or of
    pytest; None removes a variable.

    To be given to every program started from here: what would be inherited has variables of Open
    MPI, where MPI runs in this process, and an mpiexec that sees them ends with exit code 1 and no
    word.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FROM_A_LAUNCHER + OF_PYTEST)
    }
    merged = {**inherited, **ONE_THREAD, **OF_MPI, **changes}
    return {name: str(value) for name, value in merged.items() if value is not None}


def program(inject=None):
    """The command for hpcpca; ``inject`` is Python that every rank executes first."""
    if inject is None:
        return PROGRAM
    return sys.executable, "-c", f"{inject}\nfrom hpcpca.__main__ import main\nmain()"


def start(n, *arguments, env=None, inject=None, cwd=None, command=None, mpiexec=None):
    """Start a command on n ranks and return its ``Popen``."""
    words = [] if n == 0 else [*(mpiexec or launcher()), "-n", str(n)]
    words += [*(command or program(inject)), *map(str, arguments)]
    process = subprocess.Popen(
        words,
        env=environment(**(env or {})),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def end_started():
    """End what a test started or began and did not wait for, as one does that fails half-way."""
    for ranks in STANDING.values():
        if ranks.last and not ranks.last.is_over():
            end(ranks.process)
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            end(process)
            process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def wait_for(condition):
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def finish(process, timeout=PATIENCE):
    """Wait for a started command and return its ``Run``; past ``timeout`` seconds end all of its
    processes and fail: a hang.
    """
    begun = time.monotonic()
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end(process)
        stdout, stderr = process.communicate()
        pytest.fail(
            f"hang: not finished after {timeout} s:"
            f" {shlex.join(process.args)[-600:]}\n{stdout}\n{stderr}"
        )
    return Run(process.returncode, stdout, stderr, time.monotonic() - begun)


def run(n, *arguments, timeout=PATIENCE, cwd=None, **options):
    """Run a command on n ranks (0: without a launcher) and return its ``Run``.

    Ranks that stand by for commands do it; with options of ``start`` new ones, see ``launched``.
    """
    if options:
        return launched(n, *arguments, timeout=timeout, cwd=cwd, **options)
    return _tried(n, lambda: standing(n).execute(arguments, cwd, timeout))


def launched(n, *arguments, timeout=PATIENCE, **options):
    """Run a command in processes of its own on n ranks (0: without a launcher) and return its
    ``Run``. Options are those of ``start``.
    """
    return _tried(n, lambda: finish(start(n, *arguments, **options), timeout))


def _tried(n, once):
    """What ``once()`` returns. Open MPI's mpiexec now and then ends before it has started anything:
    it is tried once more then, and the test's warnings say so.
    """
    done = once()
    if n and (done.code, done.stdout, done.stderr) == (1, "", "") and is_open_mpi(launcher()[0]):
        warnings.warn("mpiexec ended with 1 and no word; it was started once more", stacklevel=3)
        done = once()
    return done


class Standing:
    """n ranks (0: one process without a launcher) that execute one command after the other, where
    starting each anew would take too long. ``place`` is a folder for what they say.

    Options are those of ``start``.
    """

    # commands, before new ranks take over: communicators are not endless, least so Open MPI's
    MOST = 40 if os.environ.get("HPCPCA_TEST_STACK") == "openmpi" else 200

    def __init__(self, n, place=None, **options):
        self.ranks = max(1, n)
        self.folder = Path(tempfile.mkdtemp(prefix="standing-", dir=place))
        self.count, self.last = 0, None
        paths = [self.folder / str(rank) for rank in range(self.ranks)]
        for path in paths:
            os.mkfifo(path)
        self.pipes = [os.open(path, os.O_RDWR) for path in paths]
        command = (sys.executable, HERE / "standing.py", self.folder)
        self.process = start(n, command=command, **options)
        STARTED.remove(self.process)

    @property
    def is_fit(self):
        """Whether these ranks can take another command."""
        return self.process.poll() is None and self.count < self.MOST

    def begin(self, words, cwd=None, env=None):
        """Begin a command on these ranks, with these changes of their environment while it goes
        on; return the ``Command``.
        """
        self.count += 1
        line = json.dumps([self.count, str(cwd or os.getcwd()), env or {}, [*map(str, words)]])
        for pipe in self.pipes:
            os.write(pipe, f"{line}\n".encode())
        self.last = Command(self, self.count, words)
        return self.last

    def execute(self, words, cwd=None, timeout=PATIENCE):
        """Run a command on these ranks and return its ``Run``."""
        return self.begin(words, cwd).finish(timeout)

    def close(self):
        """End the ranks, and remove what they said."""
        for pipe in self.pipes:
            os.close(pipe)
        finish(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Command:
    """A command under way on ranks that stand by."""

    def __init__(self, ranks, number, words):
        self.ranks, self.number, self.words = ranks, number, words
        self.begun = time.monotonic()

    def pids(self):
        """Process ids of the ranks."""
        return ranks_of(self.ranks.process)

    def said(self, kind):
        """What all ranks have said until now on "out" or "err"."""
        return "".join(path.read_text() for path in self._files(kind) if path.exists())

    def _files(self, kind):
        return [
            self.ranks.folder / f"{self.number}.{rank}.{kind}" for rank in range(self.ranks.ranks)
        ]

    def is_over(self):
        """Whether all ranks are done with it, or gone."""
        codes = self._files("code")
        return all(path.exists() for path in codes) or self.ranks.process.poll() is not None

    def finish(self, timeout=PATIENCE):
        """Wait for the command and return its ``Run``; past ``timeout`` seconds fail: a hang.

        A command that takes the whole job down (MPI_Abort) counts with the job's exit code.
        """
        process, codes = self.ranks.process, self._files("code")
        while not self.is_over():
            if time.monotonic() > self.begun + timeout:
                end(process)
                said = self.said("out"), self.said("err")
                pytest.fail(f"hang: not finished after {timeout} s: {self.words}\n{said}")
            time.sleep(0.002)
        found = {path.read_text() for path in codes if path.exists()}
        is_whole = all(path.exists() for path in codes) and len(found) == 1
        code = int(found.pop()) if is_whole else process.wait() or 1
        return Run(code, self.said("out"), self.said("err"), time.monotonic() - self.begun)


STANDING, KEPT = {}, 6  # {(n, their environment): Standing}, of which so many are kept


def standing(n, env=None):
    """Return ranks of this environment, with these changes, that wait for a command."""
    key = n, tuple(sorted(environment(**(env or {})).items()))
    if key in STANDING and not STANDING[key].is_fit:
        STANDING.pop(key).close()
    if key not in STANDING and len(STANDING) == KEPT:
        STANDING.pop(next(iter(STANDING))).close()  # those that waited longest
    STANDING[key] = STANDING.pop(key, None) or Standing(n, env=env)
    return STANDING[key]


@atexit.register
def end_standing():
    """End all ranks that wait for a command."""
    while STANDING:
        STANDING.popitem()[1].close()


def batch(n, commands, cwd=None, env=None):
    """Run {name: arguments} one after the other on standing ranks, of an environment with these
    changes; return {name: Run}.
    """
    return {
        name: _tried(n, lambda words=words: standing(n, env).execute(words, cwd))
        for name, words in commands.items()
    }
