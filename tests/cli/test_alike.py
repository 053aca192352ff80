"""Ranks with other installations are found at the start, and named."""

import h5py
import numpy as np
import pytest
from launch import PROGRAM, launcher, run

from hpcpca.errors import PlatformError


@pytest.mark.mpi(min_size=1)
def test_installations_are_compared(comm, findings):
    from hpcpca.comm.world import World

    world = World(comm)
    world.check_alike({"hpcpca": "1", "numpy": "2"})
    last = comm.size - 1
    try:
        world.check_alike({"hpcpca": "1", "numpy": "2" if comm.rank < last or last == 0 else "1.9"})
        findings.that(last == 0, "not noticed")
    except PlatformError as error:
        findings.that(
            last > 0
            and error.is_agreed
            and f"rank {last} on node" in str(error)
            and "numpy is 1.9 there and 2 on rank 0" in str(error),
            str(error),
        )
    world.free()


def test_command_lines_are_compared(tmp_path):
    """mpiexec -n 1 … : -n 1 … with other options: decisions that ranks take alike would differ."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = np.random.default_rng(0).standard_normal((50, 6))
    words = [*PROGRAM, "fit", tmp_path / "x.h5", "-o", tmp_path / "a.h5", "-k"]
    done = run(0, "-n", 1, *words, 2, ":", "-n", 1, *words, 3, command=launcher()).ended(5)
    assert done.stderr.count("rank 1 on node") == 1 and "was started otherwise" in done.stderr, (
        done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
