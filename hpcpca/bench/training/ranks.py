"""Trains on the ranks that run this; prints what came of each case, as JSON."""

import json
import sys

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from .training import train


def main(cases):
    """Train all cases. Collective."""
    with threadpool_limits(1):
        found = [train(MPI.COMM_WORLD, **case) for case in cases]
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
