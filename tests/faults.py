"""Kills runs with -9 at chosen moments and lets them go on: every one has to end at the right
answer, and no file may be unreadable.

Each run has its seed: method, operator, ranks, what is killed (a rank, or all), in which phase of
the work, and how often. Ranks tell their phase through a file of one byte each (injected by this
kit; the program itself has no hook). ``bin/faults`` is the command.
"""

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import spectra
from launch import PATIENCE, end, finish, ranks_of, run, start

K, N, D = 4, 1500, 30
TOL = 1e-7
WAIT = 12  # seconds for a phase to come up; else the kill is at any moment
PHASES = ("start", "read", "apply", "exchange", "checkpoint", "write", "any")
WATCHED = """
import os, sys, time
import hpcpca.comm.counters, hpcpca.files.hdf5
rank = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or "0"
spot = os.open(os.path.join(os.environ["HPCPCA_TEST_PHASES"], rank), os.O_CREAT | os.O_WRONLY)
CODES = {"start": b"s", "read": b"r", "apply": b"a", "exchange": b"x", "checkpoint": b"c",
         "write": b"w", "rest": b"-"}
old = hpcpca.comm.counters.Counters._charge
def charge(self):
    old(self)
    last = self._stack[-1] if self._stack else "rest"
    told = next((name for name in reversed(self._stack) if name in ("checkpoint", "write")), last)
    os.pwrite(spot, CODES.get(told, b"-"), 0)
hpcpca.comm.counters.Counters._charge = charge
os.pwrite(spot, b"s", 0)
plain = hpcpca.files.hdf5.sync
def slowly(path):  # disks that take their time: a kill can come between the steps of a commit
    time.sleep(0.01)
    plain(path)
    time.sleep(0.01)
hpcpca.files.hdf5.sync = slowly
import hpcpca.engine.history as h
call = h.History.__call__
h.History.__call__ = lambda self, report: (call(self, report), time.sleep(0.03))[0]
"""
CODES = dict(zip(PHASES, b"sraxcw"))


class Fault(Exception):
    """What must not happen."""


def make(folder):
    """Data in two shards; return Σ's leading eigenvalues and the matrix itself, for an
    independent check.
    """
    rows = spectra.data_rows(spectra.exponential(D, 0.93), N, seed=7, mean=2.0)
    spectra.write_shards(folder / "data", s1=rows[: N // 3], s2=rows[N // 3 :])
    return np.cov(rows.T)


def one(folder, sigma, seed):
    """One run, killed once to three times; return [(phase, victims, seconds until the job was
    gone)]; raise Fault.
    """
    chance = random.Random(seed)
    operator, exchange = (
        chance.choice(("gram", "in-memory", "mapped", "streaming")),
        chance.choice(("ritz", "ritz", "vectors")),
    )
    with tempfile.TemporaryDirectory(dir=folder) as here:
        here = Path(here)
        out, checkpoint = here / "out.h5", here / "out.h5.ckpt"
        options = (
            [
                "--exchange",
                "vectors",
                "--no-stagger",
                "--top1",
                "lanczos",
                "--local-steps",
                "3",
                "--max-rounds",
                "4000",
                "--precision",
                "double",
            ]
            if exchange == "vectors"
            else ["--basis", "36", "--guards", "4", "--cold"]
            + ["--corrections", "on"] * (seed % 3 == 0 and operator != "gram")
        )
        fit = [
            "fit",
            folder / "data",
            "-k",
            K,
            "-o",
            out,
            "--operator",
            operator,
            "--tol",
            TOL,
            *options,
            "--checkpoint-every",
            "1r",
            "-q",
        ]
        command, killed = fit, []
        for _ in range(chance.randint(1, 3)):
            moment = kill(here, command, chance)
            readable(here, checkpoint, out)
            if moment is None:  # it was over before
                break
            killed.append(moment)
            command = (
                ["resume", checkpoint, "-q", "--checkpoint-every", "1r"]
                if is_there(checkpoint)
                else [*fit, "--overwrite"]
            )
        if killed and killed[-1] is not None and moment is not None:
            done = run(chance.randint(1, 4), *command)
            if done.code != 0:
                raise Fault(f"going on ended with {done.code}: {done.stderr[-800:]}")
        check(out, sigma)
        left = {path.name for path in here.iterdir() if path.is_file()} - {
            "out.h5",
            "out.h5.ckpt.lock",
        }
        if left:
            raise Fault(f"left behind: {sorted(left)}")
    return killed


def kill(here, command, chance):
    """Start ``command``, kill a rank or all of it in a phase; return (phase, victims, seconds),
    or None where it was over before.
    """
    phase, victims, ranks = (
        chance.choice(PHASES),
        chance.choice(("one", "all")),
        chance.randint(1, 4),
    )
    with tempfile.TemporaryDirectory(dir=here) as phases:
        process = start(ranks, *command, inject=WATCHED, env={"HPCPCA_TEST_PHASES": phases})
        victim = chance.randrange(ranks)
        if not wait_for_phase(process, Path(phases) / str(victim), phase, chance.uniform(0, 0.9)):
            phase = "any"
        pids = ranks_of(process)
        begun = time.monotonic()
        for pid in pids if victims == "all" else [chance.choice(pids)] if pids else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while process.poll() is None:
            if time.monotonic() - begun > PATIENCE:
                end(process)
                raise Fault(f"hang: {PATIENCE} s after kill -9 of {victims} in phase {phase}")
            time.sleep(0.01)
        done = finish(process)
    return (phase, victims, time.monotonic() - begun) if done.code != 0 else None


def wait_for_phase(process, path, phase, delay):
    """Wait until the rank that writes ``path`` is in a phase, or, for "any", some time; False
    where it did not come.
    """
    stop = time.monotonic() + (WAIT if phase != "any" else 0.6 + 2 * delay)
    if phase not in ("any", "start"):
        time.sleep(delay)  # not always its first time
    while time.monotonic() < stop and process.poll() is None:
        try:
            if phase != "any" and path.read_bytes()[:1] == bytes([CODES[phase]]):
                return True
        except OSError:
            pass
        time.sleep(0.0005)
    return phase == "any"


def is_there(checkpoint):
    return checkpoint.exists() or Path(f"{checkpoint}.1").exists()


def readable(here, checkpoint, out):
    """Raise Fault unless every file with a final name is whole, and nothing has a lock that
    nobody holds.
    """
    if is_there(checkpoint):
        told = run(0, "status", checkpoint)
        if told.code != 0 or "warning" in told.stdout:
            raise Fault(f"checkpoint unreadable: {told.stdout}{told.stderr}")
    for path in (checkpoint, Path(f"{checkpoint}.1"), out):
        if path.exists():
            from hpcpca.files.result import Stored

            Stored(str(path))


def check(out, sigma):
    """Raise Fault unless the components are those of the dense matrix, to the tolerance."""
    with h5py.File(out) as file:
        vectors, values = file["components"][...], file["explained_variance"][...]
    true = np.linalg.eigvalsh(sigma)[::-1]
    residuals = np.linalg.norm(vectors @ sigma - values[:, None] * vectors, axis=1) / true[0]
    if (
        residuals.max() > TOL
        or np.abs(values - true[:K]).max() > TOL * true[0]
        or np.abs(vectors @ vectors.T - np.eye(K)).max() > 0.01
    ):
        raise Fault(
            f"wrong: residual {residuals.max():.1e}, eigenvalues off by"
            f" {np.abs(values - true[:K]).max() / true[0]:.1e}"
        )


def main(arguments=None):
    """Run many; print how many kills fell in which phase; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="faults",
        description=(
            "Kill runs of hpcpca at chosen moments; check that each one goes on to the right"
            " answer."
        ),
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first run; the next has the next"
    )
    given = parser.parse_args(arguments)
    counts, slowest, failed, begun = collections.Counter(), 0.0, [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        sigma = make(Path(folder))
        for seed in range(given.seed, given.seed + given.runs):
            try:
                for phase, victims, seconds in one(Path(folder), sigma, seed):
                    counts[phase, victims] += 1
                    slowest = max(slowest, seconds)
            except Exception as error:  # all of them are to be counted
                failed.append(seed)
                print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    print(f"{'killed in':<12} {'one rank':>9} {'all ranks':>10}")
    for phase in PHASES:
        print(f"{phase:<12} {counts[phase, 'one']:>9} {counts[phase, 'all']:>10}")
    print(
        f"{given.runs} runs, {sum(counts.values())} kills, {given.runs - len(failed)} verified to"
        f" {TOL:g}, {len(failed)} failed; a job was gone at most {slowest:.1f} s after the kill;"
        f" {time.monotonic() - begun:.0f} s in all"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
