"""The rate of sgemm on one thread for some seconds: python -m hpcpca.bench.gemm → flop/s.

Several side by side show what the cores of a machine leave each other: clock, caches, memory.
"""

import subprocess
import sys
import time

import numpy as np

from .process import environment, threads_of

SIDE, SECONDS = 1024, 3.0


def rate(seconds=SECONDS):
    """Flop/s of this process."""
    square, count = np.ones((SIDE, SIDE), np.float32), 0
    square @ square
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        square @ square
        count += 1
    return 2 * SIDE**3 * count / (time.perf_counter() - begun)


def side_by_side(count):
    """Flop/s of so many processes together."""
    command = [sys.executable, "-m", "hpcpca.bench.gemm"]
    told = {"stdout": subprocess.PIPE, "text": True, "env": environment(**threads_of(1))}
    running = [subprocess.Popen(command, **told) for _ in range(count)]
    return sum(float(each.communicate()[0]) for each in running)


if __name__ == "__main__":
    print(rate())
