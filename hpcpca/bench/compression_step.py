"""Times steps of PowerSGD on the ranks that run this, as JSON: seconds by part beside those of BLAS
on stored matrices, and the memory traffic that a step cannot do without, alone.
"""

import json
import sys
import time
from statistics import median

import numpy as np
from mpi4py import MPI
from threadpoolctl import threadpool_limits

from ..compression import PowerSGD


def _timed(comm, action, runs):
    """Median seconds of an action that all ranks take at once, the slowest rank's."""
    seconds = []
    for _ in range(runs + 1):
        comm.Barrier()
        begun = time.perf_counter()
        action()
        seconds.append(comm.allreduce(time.perf_counter() - begun, MPI.MAX))
    return median(seconds[1:])


def _pass_by(gradient, owed, mean):
    """Read and write what a step does, as fast as BLAS and numpy can: both matrices for P, both for
    Q; both, and what is owed and the mean written.
    """
    for _ in range(2):
        np.vdot(gradient, owed)
    np.add(gradient, owed, out=owed)
    mean.fill(0)


def measure(comm, n, m, *, count, rank, runs):
    """Return {what: seconds a step} for ``count`` matrices n×m in float32. Collective."""
    random = np.random.default_rng(comm.rank)
    given = {f"{i}": random.standard_normal((n, m), dtype=np.float32) for i in range(count)}
    out = {name: np.empty_like(array) for name, array in given.items()}
    compressor = PowerSGD(comm, rank, least=0)
    compressor.aggregate(given, out)
    before = compressor.tally.seconds()
    whole = _timed(comm, lambda: compressor.aggregate(given, out), runs)
    parts = {
        name: comm.allreduce((seconds - before[name]) / (runs + 1), MPI.MAX)
        for name, seconds in compressor.tally.seconds().items()
    }
    q, p = random.standard_normal((m, rank)), random.standard_normal((rank, n))
    q, p = q.astype(np.float32), p.astype(np.float32)
    matrices = list(given.values())
    blas = _timed(comm, lambda: [(matrix @ q, p @ matrix) for matrix in matrices], runs)
    owed = [np.zeros_like(matrix) for matrix in matrices]
    for array in owed:
        array += 1  # so that it has memory of its own
    pairs = list(zip(matrices, owed, out.values()))
    traffic = _timed(comm, lambda: [_pass_by(*each) for each in pairs], runs)
    return {
        "step": whole,
        "parts": parts,
        "two products by BLAS": blas,
        "memory traffic": traffic,
    }


if __name__ == "__main__":
    words = json.loads(sys.argv[1])
    with threadpool_limits(1):
        found = measure(MPI.COMM_WORLD, **words)
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(found))
