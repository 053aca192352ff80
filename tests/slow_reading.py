"""Runs whose reading takes as long as a test wants, so that it can stop them in it."""

import os

import pytest

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
def slow(self, number, start, stop, into=None):
    time.sleep(SECONDS * (stop - start) / 62)
    return old(self, number, start, stop, into)
s.Source.read = slow"""
)
OPEN_MPI = os.environ.get("HPCPCA_TEST_STACK") == "openmpi"
once = pytest.mark.skipif(OPEN_MPI, reason="the same on every MPI: tested with MPICH")


def slowed(seconds):
    """Python that makes every piece of 62 rows take so long to read."""
    return SLOW.replace("SECONDS", str(seconds))
