"""Whole processes from outside: wall seconds and memory, alternating, medians."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from ..errors import DataError, PlatformError


@dataclass
class Contender:
    """A command that writes components to ``out``; variables it is run with; its runs' wall
    seconds and peak memory (bytes), and what ``seen(out)`` gives after each.
    """

    name: str
    command: list
    out: str
    environment: dict = field(default_factory=dict)
    seconds: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    error: str = ""
    seen: Callable | None = None
    found: list = field(default_factory=list)

    @property
    def median(self):
        """Of the wall seconds."""
        return median(self.seconds) if self.seconds else float("nan")


def launcher(given=None):
    """mpiexec with its options as a list: given, of HPCPCA_MPIEXEC, beside the interpreter, or
    on PATH; raise PlatformError.
    """
    if given := given or os.environ.get("HPCPCA_MPIEXEC"):
        words = shlex.split(given)
        if not words or not shutil.which(words[0]):
            raise PlatformError(
                f"--mpiexec {given}: no such program; name the launcher of your MPI"
            )
        return words
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not found:
        raise PlatformError(
            "no mpiexec found; pip install 'hpcpca[mpich]', or name it with --mpiexec"
        )
    return [found]


def threads_of(count):
    """Variables for a program whose BLAS is to use so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: str(count) for name in names}


@functools.cache
def _open_mpi_folder():
    return tempfile.TemporaryDirectory(
        prefix="hpcpca-mpi-"
    )  # kept here, it lasts as long as this process


def environment(**changes):
    """Variables for a program that is started from here, also where MPI runs in this process.

    Open MPI sets variables behind Python's back (``os.environ`` does not have them); an mpiexec
    that inherits them takes itself for a rank, and ends with exit code 1 and no word. And runs that
    share its folder under TMPDIR fail when another one makes or removes it just then: those from
    here have one of their own.
    """
    own = (
        {}
        if "OMPI_MCA_orte_tmpdir_base" in os.environ
        else {"OMPI_MCA_orte_tmpdir_base": _open_mpi_folder().name}
    )
    return {**os.environ, **own, **changes}


def finished(command):
    """Run a command that is not timed; return its ``CompletedProcess``, with what it said."""
    return subprocess.run(command, capture_output=True, errors="replace", env=environment())


def run_once(contender, is_watched=True):
    """Run a contender once; keep its time, and its memory if it ``is_watched``, or the end of what
    it printed where it failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        contender.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        env=environment(**contender.environment),
    )
    peak, output = _watch(process) if is_watched else (None, process.communicate()[0])
    seconds = time.perf_counter() - begun
    if process.returncode:
        contender.error = f"failed: {_last_line(output, process.returncode)}"
    elif contender.seen:
        contender.found.append(contender.seen(contender.out))
    contender.seconds.append(seconds)
    if is_watched:
        contender.memory.append(peak)


def output_of(command):
    """Run a command that is not timed and return what it prints; raise DataError with the last
    line it said where it fails.
    """
    done = finished(command)
    if done.returncode:
        raise DataError(_last_line(done.stderr, done.returncode).removeprefix("hpcpca: error: "))
    return done.stdout


def _last_line(output, code):
    """Of hpcpca's own, if there are any, or that which names a signal: launchers add banners."""
    said = [line for line in output.splitlines() if line.strip(" -=")]
    ours = [line for line in said if line.startswith("hpcpca: ")]
    ours = ours or [line for line in said if "EXIT STRING" in line]
    return (ours or said)[-1].strip() if said else f"exit code {code}"


def alternate(contenders, runs):
    """One uncounted run of each, whose memory is watched, which takes time; then ``runs`` of all in
    turn, so that a drift of the machine hits all alike.
    """
    for counted in [False] + [True] * runs:
        for contender in contenders:
            if not contender.error:
                run_once(contender, is_watched=not counted)
            if not counted:
                contender.seconds.clear()
                contender.found.clear()


def _watch(process):
    """Peak of the summed memory of a process and its descendants, shared pages divided among them
    and pages of files left out, looked at ten times a second; and its output.
    """
    peak, done = [0], threading.Event()

    def look():
        while not done.wait(0.1):
            peak[0] = max(peak[0], sum(_pss(pid) for pid in _family(process.pid)))

    thread = threading.Thread(target=look)
    thread.start()
    output, _ = process.communicate()
    done.set()
    thread.join()
    return peak[0], output


def _family(root):
    """Process numbers of ``root`` and all below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents.setdefault(int(text[text.rindex(")") + 2 :].split()[1]), []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def _pss(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    held = {words[0]: int(words[1]) << 10 for words in map(str.split, lines[1:])}
    return held.get("Pss_Anon:", held["Pss:"]) + held.get("Pss_Shmem:", 0)
