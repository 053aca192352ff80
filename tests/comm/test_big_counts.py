"""Counts past 2³¹−1 elements, for real: one HDF5 selection, one exchange of over 4 GiB, rows put
into a file beyond 2³² elements.
"""

import h5py
import numpy as np
import pytest
from spectra import agreed_assert

from hpcpca.planning.machine import available_memory

WIDTH = 1 << 16
ROWS = (1 << 16) + 3  # × WIDTH int8 = 4 GiB and a little, 2³² elements
LIMITS = (1 << 31, 1 << 32)  # where counts wrap

pytestmark = pytest.mark.slow


def need(gigabytes):
    """Skip where the machine has not so much memory."""
    if available_memory() < gigabytes << 30:
        pytest.skip(f"{gigabytes} GiB of free memory are needed")


def marks():
    """Rows around every limit: what lies there is not zero."""
    return sorted(
        {0, ROWS - 1, *(limit // WIDTH + step for limit in LIMITS for step in (-1, 0, 1))}
    )


@pytest.fixture
def sparse(tmp_path):
    """A chunked int8 dataset of over 4 GiB on a few MB of disk: only the chunks of the marked rows
    were ever written.
    """
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        item = file.create_dataset("X", (ROWS, WIDTH), np.int8, chunks=(16, WIDTH))
        for row in marks():
            item[row] = np.arange(WIDTH) % 100 + row % 7 + 1
    return tmp_path / "sparse.h5"


def test_one_selection(sparse):
    """Over 2³¹ elements in one read."""
    from hpcpca.sources.source import open_source

    need(3)
    count = LIMITS[0] // WIDTH + 3
    source, rows = open_source([str(sparse)], is_whole=False), np.empty((count, WIDTH), np.int8)
    assert LIMITS[0] < rows.size < source.n * source.d
    source.read(0, 0, count, rows)
    there = [row for row in marks() if row < count]
    assert len(there) == 4
    for row in there:
        assert np.array_equal(rows[row], np.arange(WIDTH) % 100 + row % 7 + 1), row
    assert not rows[[row for row in range(0, count, 37) if row not in there]].any()


@pytest.mark.mpi
def test_rows_beyond_the_limits(comm, shared_path):
    """Pieces of a dataset that lie past 2³¹ and 2³² elements, from ranks that take turns."""
    from hpcpca.comm.world import World
    from hpcpca.files.row_file import row_file

    world = World(comm)
    path = shared_path / "x.h5"
    row = (np.arange(WIDTH) % 100).astype(np.int8)[None]
    mine = marks()[comm.rank :: comm.size]
    with row_file(world, str(path), "a", (ROWS, WIDTH), np.int8, attributes={}) as target:
        for turn in range(-(-len(marks()) // comm.size)):
            target.put(
                mine[turn] if turn < len(mine) else 0,
                row + 1 + mine[turn] % 7 if turn < len(mine) else None,
            )
    with h5py.File(path) as file:
        right = all(np.array_equal(file["a"][mark], row[0] + 1 + mark % 7) for mark in marks())
    agreed_assert(comm, right, "rows are not where they belong")
    world.free()


@pytest.mark.mpi
def test_one_exchange(comm, exchange_over):
    """A panel of over 4 GiB between two nodes, over 2 GiB from each; the others own nothing of
    it.
    """
    if comm.size != 2:
        pytest.skip("two ranks show it; more take more memory")
    agreed = comm.allreduce(available_memory() >= 10 << 30) == 2
    if not agreed:
        pytest.skip("10 GiB of free memory are needed")
    exchange = exchange_over(comm, 1, 2, lambda rank: rank)
    rows, d = 2, (1 << 28) + 5
    panel = exchange.panel(rows, d)
    own = panel.array[comm.rank : comm.rank + 1]
    own[:] = comm.rank + 1
    own[0, -1] = 7 + comm.rank
    assert panel.array.nbytes > 1 << 32 and own.nbytes > 1 << 31
    exchange.publish(own, panel, np.arange(3))
    other = panel.array[1 - comm.rank]
    right = (
        other[0] == 2 - comm.rank
        and other[-1] == 8 - comm.rank
        and other[:-1].min() == other[:-1].max() == 2 - comm.rank
    )
    agreed_assert(comm, right, f"the other's row came as {other[:3]} … {other[-3:]}")
