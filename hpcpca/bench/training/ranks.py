"""Trains on the ranks that run this; prints what came of each case, as JSON."""

import json
import os
import sys

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from .adapter_ways import train as adapt
from .extracting import extract
from .training import train

OF = {"gradients": train, "adapters": adapt, "extraction": extract}  # what cases are about


def main(cases, about):
    """Train all cases. Collective."""
    keep_to_a_core(MPI.COMM_WORLD.rank)
    with threadpool_limits(1):
        found = [OF[about](MPI.COMM_WORLD, **case) for case in cases]
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(found))


def keep_to_a_core(rank):
    """Give this rank one core; JAX, which has threads for all it sees, must not have begun."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])
