"""Ranks with other installations are found at the start, and named."""

import pytest

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
        findings.that(last > 0 and error.is_agreed and f"rank {last} on node" in str(error) and "numpy is 1.9 there and 2 on rank 0" in str(error), str(error))
    world.free()
