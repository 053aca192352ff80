"""One-sided windows: what is read is never torn, ends and failures are for good, a busy rank can
be read, every byte is counted.
"""

import os
import time

import numpy as np
import pytest

pytestmark = pytest.mark.mpi
SECONDS = 0.7
LIMIT = 120  # seconds, for what takes none


@pytest.fixture(params=["one node", "each its own", "no room"])
def window(request, comm, monkeypatch):
    """``make(fronts, rows, d) -> Window``: in shared memory, also with the thread that helps
    between nodes; or in each rank's own memory.
    """
    from hpcpca.comm.counters import Counters
    from hpcpca.comm.window import Window
    from hpcpca.comm.world import World
    from hpcpca.errors import PlatformError

    if request.param == "no room":
        monkeypatch.setattr("hpcpca.comm.window.shm_free", lambda: 0)
    world, made = World(comm, (lambda rank: rank) if request.param == "each its own" else None), []

    def make(*sizes):
        try:
            made.append(Window(world, *sizes, Counters()))
        except PlatformError as error:  # Open MPI over TCP
            assert request.param == "no room" and "--exchange vectors" in str(error)
            pytest.skip("this MPI makes no windows in private memory")
        return made[-1]

    yield make
    for each in made:
        each.free()
    world.free()


def test_nothing_is_read_torn(comm, findings, window):
    """Entries that all say the number of their publication, written as fast as can be, or with
    pauses: what is read is of one, and newer each time.
    """
    made = window([2] * comm.size, [4] * comm.size, 4000)
    number, seen, reads, begun = 0, np.zeros(comm.size), 0, time.monotonic()
    while time.monotonic() - begun < SECONDS:
        number += 1
        made.publish(
            np.array([number, 7.0 * number]), [np.full((2, 4000), number) for _ in range(2)]
        )
        for rank in range(comm.size):
            if (found := made.read(rank)) is not None:
                front, rows = found
                findings.that(
                    front[1] == 7 * front[0] and (rows == front[0]).all(),
                    f"torn: {front}, {np.unique(rows)}",
                )
                findings.that(front[0] > seen[rank], f"read {front[0]} after {seen[rank]}")
                seen[rank], reads = front[0], reads + 1
        made.read_fronts(range(comm.size))
        findings.that(all(front[1] == 7 * front[0] for front in made.fronts), "torn figures")
        if number % 3 == comm.rank % 3:
            time.sleep(1e-3)
    findings.that(reads > 10, f"{reads} reads")


def test_a_publication_that_was_begun_is_not_read(comm, findings, window):
    """A writer held up between beginning and end: readers have the one before; held up long
    before the end of the read: they keep what they had.
    """
    from hpcpca.comm.window import BEGUN

    made = window([1] * comm.size, [1] * comm.size, 6)
    for number in (1.0, 2.0):
        made.publish(np.array([number]), [np.full((1, 6), number)])
    made._tell(BEGUN, 3)
    made._memory[made._slot(comm.rank, 3) : made._slot(comm.rank, 3) + 7] = -1  # half of it
    comm.Barrier()
    for rank in range(comm.size):
        front, rows = made.read(rank)
        findings.that(front[0] == 2 and (rows == 2).all(), f"{front}, {rows}")
        findings.that(made.read(rank) is None, "read again though nothing is new")
    comm.Barrier()
    made._tell(BEGUN, 4)  # now that slot too
    made._seen["whole"][:] = made._seen["front"][:] = 0
    kept = made.fronts[:]
    comm.Barrier()
    findings.that(
        all(made.read(rank) is None for rank in range(comm.size)), "read what is being written over"
    )
    made.read_fronts(range(comm.size))
    findings.that(
        all(now is before for now, before in zip(made.fronts, kept)),
        "figures read that are being written over",
    )
    comm.Barrier()


def test_a_busy_rank_can_be_read(comm, findings, window, shared_path):
    """While it multiplies matrices and enters no MPI, until a file says that all have read."""
    made = window([1] * comm.size, [1] * comm.size, 6)
    made.publish(np.array([5.0]), [np.full((1, 6), 5.0)])
    comm.Barrier()
    others = [shared_path / f"read-by-{rank}" for rank in range(1, comm.size)]
    with made.being_read():
        if comm.rank == 0:
            begun, matrix = time.monotonic(), np.ones((600, 600))
            while not all(map(os.path.exists, others)) and time.monotonic() - begun < LIMIT:
                matrix @ matrix
            findings.that(all(map(os.path.exists, others)), "nobody could read meanwhile")
        else:
            front, _ = made.read(0)
            findings.that(front[0] == 5, f"{front} was read")
            others[comm.rank - 1].touch()
        comm.Barrier()


def test_ends_and_failures_stay(comm, findings, window):
    made = window([1] * comm.size, [0] * comm.size, 1)
    findings.that(not made.has_ended(1) and not made.has_failed(1), "ended before it began")
    comm.Barrier()
    if comm.rank == comm.size - 1:
        made.fail(1)
    if comm.rank == 0:
        made.end(1)
    comm.Barrier()
    findings.that(
        made.has_ended(1)
        and made.has_failed(1)
        and not made.has_ended(2)
        and not made.has_failed(2),
        "not for good, or too far",
    )


def test_bytes_are_counted(comm, findings, window):
    made = window([3] * comm.size, [2] * comm.size, 10)
    made.publish(np.zeros(3), [np.zeros((2, 10))])
    comm.Barrier()
    made.read((comm.rank + 1) % comm.size)
    expected = (comm.size > 1) * (2 * 4 + 3 + 20) * 8  # the header twice
    findings.that(
        made.counters.bytes_exchanged == expected,
        f"{made.counters.bytes_exchanged} bytes instead of {expected}",
    )
