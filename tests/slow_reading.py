"""Runs whose reading takes as long as a test wants, so that it can stop them in it."""

import itertools
import json
import os
import signal

from launch import standing, wait_for

K, N, D = 5, 4000, 40
PIECE = 20_000  # bytes: 64 pieces in all
CUT = f"""import time
import hpcpca.sources.source as s, hpcpca.operators.gram_build as g, hpcpca.operators.streaming as t
import hpcpca.operators.mapped as m
g.LARGEST_PIECE = t.LARGEST_PIECE = m.WINDOW_BYTES = m.LARGEST_WINDOW = {PIECE}
g.SAMPLE_ROWS = 64
s.Source.pieces.__defaults__ = s.Source.pieces_left.__defaults__ = ({PIECE},)
old = s.Source.read
"""
SLOW = (
    CUT
    + """
import os
pieces = [0]
def slow(self, number, start, stop, into=None):
    if stop - start > 10:  # fewer: samples
        pieces[0] += 1
        os.write(2, b"piece\\n")
        if pieces[0] > QUICK:
            time.sleep(SECONDS)
    return old(self, number, start, stop, into)
s.Source.read = slow"""
)
PACED = (
    CUT
    + """
import json, os
from mpi4py import MPI
RANK, pieces, known, pace = MPI.COMM_WORLD.rank, [0], [""], {}
def seen():
    told = os.environ.get("HPCPCA_TEST_PACE", "")
    if told != known[0]:
        known[0], pieces[0] = told, 0
        pace.clear()
        pace.update(json.loads(told or "{}"))
    return pieces
def paced(self, number, start, stop, into=None):
    if seen() and pace and stop - start > 10:
        pieces[0] += 1
        os.write(2, b"piece\\n")
        if pieces[0] > pace["quick"] and pace["rank"] in (RANK, None):
            time.sleep(pace["seconds"])
            while pace["gate"] and not os.path.exists(pace["gate"]):
                time.sleep(0.002)
    return old(self, number, start, stop, into)
s.Source.read = paced
"""
)
TURNS = itertools.count()  # a pace of its own for every command
OPEN_MPI = os.environ.get("HPCPCA_TEST_STACK") == "openmpi"


def slowed(seconds, quick=0):
    """Python that makes every piece of 62 rows, after some quick ones, take so long to read, and
    has it told on stderr.
    """
    return SLOW.replace("SECONDS", str(seconds)).replace("QUICK", str(quick))


def begun(process, pieces=1):
    """Wait until the ranks of a command that is ``slowed`` have begun to read so many pieces in
    all; 66 are a pass.
    """
    while pieces:
        line = process.stderr.readline()
        assert line, "the run is over"
        pieces -= line.endswith("piece\n")


def paced(n, *words, seconds=0, quick=0, rank=None, gate=None, inject=PACED):
    """Begin a command on n ranks that stand by, and return the ``Command``. After some quick pieces
    every one takes so many seconds to read, or until there is a file ``gate``: on all ranks, or on
    one.
    """
    ranks = standing(n, {"HPCPCA_TEST_INJECT": inject})
    pace = {"turn": next(TURNS), "seconds": seconds, "quick": quick, "rank": rank}
    pace["gate"] = gate and str(gate)
    return ranks.begin(words, env={"HPCPCA_TEST_PACE": json.dumps(pace)})


def read(command, pieces):
    """Wait until the ranks of a ``paced`` command have begun to read so many pieces in all."""
    wait_for(lambda: command.said("err").count("piece\n") >= pieces or command.is_over())
    assert not command.is_over(), f"the run is over: {command.said('err')}"


def stopped(n, *words, after, seconds, quick=0, to=slice(1), number=signal.SIGUSR1):
    """Run a command that is ``slowed``, of which some ranks get a signal after so many pieces;
    return its ``Run``.
    """
    command = paced(n, *words, seconds=seconds, quick=quick)
    read(command, after)
    for pid in command.pids()[to]:
        os.kill(pid, number)
    return command.finish()


def cut(n, *words):
    """Run a command that reads in pieces of the same size, on n ranks that stand by; return its
    ``Run``.
    """
    return standing(n, {"HPCPCA_TEST_INJECT": PACED}).execute(words)
