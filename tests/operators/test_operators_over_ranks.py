"""Covariance operators over ranks equal the dense covariance, on every grid; a bad value is named
on all of them.
"""

import numpy as np
import pytest
from spectra import agreed_assert, build, grids, images, write, wrong
from test_operators import BASE, CASES, KINDS, SINGLE, D, N

from hpcpca.errors import DataError

pytestmark = pytest.mark.mpi


OVER_RANKS = (
    *("uint8", "uint64 at the top", "float16", "float32 mean 1000", "float32 drifted"),
    *("float32 outlying", "float64 mean 1e8", "float64 1e-150"),
)


@pytest.mark.mpi
@pytest.mark.parametrize("case", OVER_RANKS)
@pytest.mark.parametrize("kind", KINDS)
def test_operator_over_ranks(comm, exchange_over, shared_path, kind, case):
    """Two files of uneven length, on the grids of these ranks in turn."""
    turn, every = KINDS.index(kind) + OVER_RANKS.index(case), grids(comm.size)
    groups, shards = every[turn % len(every)]
    rows = CASES[case]()
    names = write(comm, shared_path, rows[:7], rows[7:])
    work = np.float32 if rows.dtype in SINGLE else np.float64
    exchange = exchange_over(comm, groups, shards)
    operator = build(exchange, kind, names)
    why = wrong(operator, exchange, rows, work)
    agreed_assert(
        comm, not why and operator.n == N, f"grid {groups}x{shards}, n = {operator.n}: {why}"
    )


@pytest.mark.mpi
@pytest.mark.parametrize("room", [True, False], ids=["shared", "no room"])
@pytest.mark.parametrize("case", ["uint8", "float32 mean 1000"])
def test_groups_of_a_node_hold_rows_once(comm, exchange_over, shared_path, monkeypatch, case, room):
    """Ranks that have the same shard see the same memory, also after going on in double; each
    has its own where /dev/shm is full.
    """
    if not room:
        monkeypatch.setattr("hpcpca.comm.shared.shm_free", lambda: 0)
    rows = CASES[case]()
    names = write(comm, shared_path, rows[:7], rows[7:])
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        operator = build(exchange, "in-memory", names)
        for work in (np.float32, np.float64):
            why = wrong(operator, exchange, rows, work)
            held, first = operator._held, exchange.group_number == 0
            before = held.array[:1].copy()
            comm.Barrier()
            if first:
                held.array[:1] += 1
            comm.Barrier()
            seen = bool((held.array[:1] != before).all() or not held.array.size)
            comm.Barrier()
            if first:
                held.array[:1] = before
            agreed_assert(
                comm,
                not why and seen == (first or room or not held.array.size),
                f"grid {groups}x{shards}: {why or seen}",
            )
            agreed_assert(
                comm,
                bool(exchange.bytes_not_shared())
                == (groups > 1 and not room and held.array.size > 0),
                "not said",
            )
            operator.to_double()


@pytest.mark.mpi
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_more_ranks_than_rows(comm, exchange_over, shared_path, kind, n):
    names = write(comm, shared_path, BASE[:n])
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        why = wrong(build(exchange, kind, names, double=True), exchange, BASE[:n], np.float64)
        agreed_assert(comm, not why, f"grid {groups}x{shards}: {why}")


@pytest.mark.mpi
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_named_on_all_ranks(comm, exchange_over, shared_path, kind):
    rows = BASE.copy()
    rows[170, 3] = np.nan
    names = write(comm, shared_path, rows)
    with pytest.raises(DataError, match="row 170, column 3 is nan"):
        exchange = exchange_over(comm, 1, comm.size)
        images(build(exchange, kind, names), exchange, np.eye(1, D))
