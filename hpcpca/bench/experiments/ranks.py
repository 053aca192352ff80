"""Runs cases under mpiexec, a worker on each rank: ``mpiexec -n K python -m mpi4py -m
hpcpca.bench.experiments.ranks FOLDER``.

FOLDER/cases.json says what; FOLDER/NUMBER.npz is what comes of each.
"""

import json
import os
import sys
from dataclasses import asdict

import numpy as np
from threadpoolctl import threadpool_limits

from ...comm.world import World
from .paced import follow_paced
from .problems import problem


def main(folder):
    """Run all cases of a folder. Collective."""
    world = World()
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    with threadpool_limits(1):
        for number, case in enumerate(cases):
            made = problem(case.pop("values"), case.pop("d"), world.size, case["seed"])
            found = follow_paced(world, made, **case)
            if world.is_root:
                np.savez(os.path.join(folder, f"{number}.npz"), **asdict(found))
    world.free()


if __name__ == "__main__":
    main(sys.argv[1])
