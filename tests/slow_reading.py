"""Runs whose reading takes as long as a test wants, so that it can stop them in it."""

import os

K, N, D = 5, 4000, 40
PIECE = 20_000  # bytes: 64 pieces in all
CUT = f"""import time
import hpcpca.sources.source as s, hpcpca.operators.gram_build as g, hpcpca.operators.streaming as t
g.LARGEST_PIECE = t.LARGEST_PIECE = {PIECE}
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
