"""What workers tell each other arrives as plain numpy says, over any grid, node by node, with
every byte counted.
"""

import numpy as np
import pytest
from spectra import agreed_assert, grids

from hpcpca.errors import DataError

pytestmark = pytest.mark.mpi
D = 5
COUNTS = [0, 1, 3, 8, 13]  # with four ranks some own nothing
NODES = {
    "one node": None,
    "pairs": lambda rank: rank // 2,
    "interleaved": lambda rank: rank % 2,
    "each its own": lambda rank: rank,
}


def panel_of(rows, seed=0):
    return np.random.default_rng([seed, rows]).standard_normal((rows, D))


def counted(exchange, call):
    """What ``call()`` returns and the bytes it counted."""
    before = exchange.counters.bytes_exchanged
    return call(), exchange.counters.bytes_exchanged - before


@pytest.fixture(params=[False, True], ids=["shared", "private"])
def memory(request, monkeypatch):
    """Memory shared on a node; or none, as where /dev/shm is too small."""
    if request.param:
        monkeypatch.setattr("hpcpca.comm.shared.shm_free", lambda: 0)
    return request.param


@pytest.mark.parametrize("nodes", NODES)
def test_ranks_are_numbered_node_by_node(comm, findings, exchange_over, nodes):
    exchange = exchange_over(comm, comm.size, 1, NODES[nodes])
    world = exchange.world
    node_of = NODES[nodes] or (lambda rank: 0)
    places = world.comm.allgather(node_of(comm.rank))
    members = sorted(node_of(rank) for rank in range(comm.size))
    findings.that(
        sorted(places) == members
        and len(set(places)) == 1 + sum(a != b for a, b in zip(places, places[1:])),
        f"nodes in order of rank: {places}",
    )
    findings.that(world.node.size == places.count(node_of(comm.rank)), "the node has other ranks")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("nodes", NODES)
def test_publish(comm, findings, exchange_over, memory, nodes, dtype):
    """Rows in float64 travel and arrive in the panel's type."""
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards, NODES[nodes])
        panel = exchange.panel(16, D, dtype)
        kinds = comm.allgather(panel.node is exchange.world.node or comm.size == 1)
        # at once: ranks that publish through different communicators wait for each other for ever
        agreed_assert(
            comm,
            len(set(kinds)) == 1,
            f"panels per node on some ranks, per rank on others: {kinds}",
        )
        findings.that(memory is False or not panel.is_shared, "shared without room")
        panel.array[:] = 7  # every rank of a node the same
        panel.fence()
        for count in COUNTS:
            whole, offsets = panel_of(count), exchange.grid.offsets(count)
            own = whole[offsets[exchange.rank] : offsets[exchange.rank + 1]]
            for first in (0, 16 - count):
                found, nbytes = counted(
                    exchange, lambda: exchange.publish(own, panel, offsets, first)
                )
                findings.that(found.dtype == dtype, f"{found.dtype} published")
                findings.equal(found, whole.astype(dtype), f"{count} rows published from {first}")
                counts = (comm.size - 1) * count * D * np.dtype(dtype).itemsize
                findings.that(nbytes == counts, f"{nbytes} bytes counted")
                rest = np.delete(panel.array, np.s_[first : first + count], axis=0)
                findings.that((rest == 7).all(), "rows that nobody published changed")
                panel.fence()
                panel.array[:] = 7
                panel.fence()


@pytest.mark.parametrize("d", [2, 3, 13])  # some ranks have no column of 2
@pytest.mark.parametrize("nodes", NODES)
def test_publish_columns(comm, findings, exchange_over, memory, nodes, d):
    """Every rank's columns are everybody's, and those of all ranks are all there are."""
    exchange = exchange_over(comm, comm.size, 1, NODES[nodes])
    panel, columns = exchange.panel(6, d), exchange.columns(d)
    shares = comm.allgather(np.arange(d)[columns].tolist())
    findings.that(sorted(sum(shares, [])) == list(range(d)), f"columns of ranks: {shares}")
    for count, first in [(0, 0), (1, 5), (4, 1)]:
        whole = np.random.default_rng([count, d]).standard_normal((count, d))
        panel.array[:] = 7
        panel.fence()
        panel.array[first : first + count, columns] = whole[:, columns]
        found, nbytes = counted(exchange, lambda: exchange.publish_columns(panel, count, first))
        findings.equal(found, whole, f"{count} rows published from {first}")
        findings.that(nbytes == (comm.size - 1) * whole.nbytes, f"{nbytes} bytes counted")
        rest = np.delete(panel.array, np.s_[first : first + count], axis=0)
        findings.that((rest == 7).all(), "rows that nobody published changed")
        panel.fence()


def test_a_node_without_room_leaves_all_with_private_panels(
    comm, findings, exchange_over, monkeypatch
):
    if comm.rank == 0:
        monkeypatch.setattr("hpcpca.comm.shared.shm_free", lambda: 0)
    exchange = exchange_over(comm, comm.size, 1)
    panel = exchange.panel(4, D)
    findings.that(not panel.is_shared and panel.node.size == 1, "shared on some ranks only")
    panel.array[:] = comm.rank
    comm.Barrier()
    findings.that((panel.array == comm.rank).all(), "somebody else wrote into it")


def test_shared_panels_are_one_memory(comm, findings, exchange_over):
    exchange = exchange_over(comm, comm.size, 1)
    panel = exchange.panel(comm.size, D)
    panel.array[exchange.rank] = exchange.rank  # without any exchange
    panel.fence()
    expected = (
        np.arange(comm.size)[:, None] * np.ones(D)
        if panel.is_shared or comm.size == 1
        else panel.array
    )
    findings.equal(panel.array.copy(), expected, "writes of the others are not seen")


@pytest.mark.parametrize("nodes", NODES)
def test_gather_small(comm, findings, exchange_over, nodes):
    exchange = exchange_over(comm, comm.size, 1, NODES[nodes])
    for count in COUNTS:
        for shape in [(), (2,), (3, 2), (0,)]:
            whole = np.random.default_rng(count).standard_normal((count, *shape))
            offsets = exchange.grid.offsets(count)
            own = whole[offsets[exchange.rank] : offsets[exchange.rank + 1]]
            found, nbytes = counted(exchange, lambda: exchange.gather_small(own, offsets))
            findings.equal(found, whole, f"{count} of shape {shape}")
            findings.that(nbytes == (comm.size - 1) * whole.nbytes, f"{nbytes} bytes counted")
    offsets = np.concatenate(
        [[0], np.full(comm.size, 4)]
    )  # all from the first rank, as integers in another order
    found = exchange.gather_small(
        np.arange(8).reshape(2, 4).T if exchange.rank == 0 else np.zeros((0, 2)), offsets
    )
    findings.equal(found, np.arange(8.0).reshape(2, 4).T, "integers, not contiguous")


@pytest.mark.parametrize("slab", [1 << 30, 7])
@pytest.mark.parametrize("nodes", NODES)
def test_images_are_summed_within_a_group_and_handed_to_their_owners(
    comm, findings, exchange_over, monkeypatch, nodes, slab
):
    monkeypatch.setattr("hpcpca.comm.exchange.SLAB", slab)
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards, NODES[nodes])
        group, shard = exchange.grid.place(exchange.rank)
        for count in COUNTS:
            (first, last), offsets = (
                exchange.grid.group_columns(count, group),
                exchange.grid.offsets(count),
            )
            # small integers: any order of summation is exact
            parts = (
                np.random.default_rng([count, group])
                .integers(-99, 99, (shards, last - first, D))
                .astype(float)
            )
            found, nbytes = counted(
                exchange, lambda: exchange.reduce_to_owners(parts[shard].copy(), offsets)
            )
            own = exchange.owned(count)
            findings.equal(
                found,
                parts.sum(axis=0)[own.start - first : own.stop - first],
                f"grid {groups}x{shards}, {count} columns",
            )
            findings.that(nbytes == (shards - 1) * count * D * 8, f"{nbytes} bytes counted")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("nodes", NODES)
def test_gather_in_group(comm, findings, exchange_over, nodes, dtype):
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards, NODES[nodes])
        for count in COUNTS:
            whole, offsets = panel_of(count).astype(dtype), exchange.grid.offsets(count)
            found, nbytes = counted(
                exchange, lambda: exchange.gather_in_group(whole[exchange.owned(count)], offsets)
            )
            findings.equal(
                found,
                whole[exchange.group_columns(offsets)],
                f"grid {groups}x{shards}, {count} columns",
            )
            findings.that(nbytes == (shards - 1) * whole.nbytes, f"{nbytes} bytes counted")
            findings.equal(
                exchange.own_rows(found, offsets),
                whole[exchange.owned(count)],
                "own rows of the group's panel",
            )


@pytest.mark.parametrize("slab", [1 << 30, 3])
def test_sum_and_maximum(comm, findings, exchange_over, monkeypatch, slab):
    monkeypatch.setattr("hpcpca.comm.exchange.SLAB", slab)
    exchange = exchange_over(comm, 1, comm.size)
    array = np.arange(10.0).reshape(2, 5) + exchange.rank
    found, nbytes = counted(exchange, lambda: exchange.sum(array))
    expected = comm.size * np.arange(10.0).reshape(2, 5) + sum(range(comm.size))
    findings.that(
        found is array and np.array_equal(array, expected) and nbytes == 2 * (comm.size - 1) * 80,
        "sum over ranks",
    )
    findings.that(
        exchange.maximum(-float(exchange.rank)) == 0
        and exchange.maximum(exchange.rank) == comm.size - 1,
        "maximum",
    )


@pytest.mark.parametrize("nodes", NODES)
def test_from_root(comm, findings, exchange_over, nodes):
    exchange = exchange_over(comm, comm.size, 1, NODES[nodes])
    solved = []

    def solve():
        solved.append(exchange.rank)
        return np.arange(6).reshape(2, 3).T, np.array([float(exchange.rank), 0.5])

    (matrix, vector), nbytes = counted(exchange, lambda: exchange.from_root(solve, (3, 2), 2))
    findings.equal(matrix, np.arange(6.0).reshape(2, 3).T, "the root's matrix")
    findings.equal(vector, np.array([0, 0.5]), "the root's vector")
    findings.that(
        solved == ([0] if exchange.rank == 0 else []) and nbytes == (comm.size - 1) * 64,
        "solved once, counted",
    )


def test_errors_of_one_rank_are_everybodys(comm, findings, exchange_over):
    world = exchange_over(comm, comm.size, 1).world
    for failing in range(comm.size):
        try:
            with world.agreed():
                if world.rank >= failing:
                    raise DataError(f"file {world.rank} is bad")
            said = "nothing"
        except DataError as error:
            said = str(error)
        findings.that(said == f"file {failing} is bad", said)
    findings.that(world.decide(lambda: {"by": world.rank}) == {"by": 0}, "the root decides")
    with pytest.raises(DataError, match="no such"):
        world.decide(lambda: (_ for _ in ()).throw(DataError("no such file")))
