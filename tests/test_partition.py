"""Everything is owned exactly once, in order and evenly, whatever the number of ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcpca.methods.warm_start import MOST, SHARE, sampled_rows
from hpcpca.partition import (
    BLOCK_BYTES,
    BLOCKS,
    Grid,
    blocks_of,
    indices,
    offsets_among,
    span,
)
from hpcpca.rng import spread, stream, unit_vectors

pytestmark = pytest.mark.once


small = st.integers(1, 40)


@given(total=st.integers(0, 1000), parts=small)
def test_spans_tile_the_total_evenly(total, parts):
    runs = [span(total, parts, index) for index in range(parts)]
    assert [i for start, stop in runs for i in range(start, stop)] == list(range(total))
    sizes = [stop - start for start, stop in runs]
    assert max(sizes) - min(sizes) <= 1


@given(groups=st.integers(1, 8), shards=st.integers(1, 8), count=st.integers(0, 70))
def test_grid_owners_tile_the_columns_of_their_group(groups, shards, count):
    grid = Grid(groups, shards)
    offsets = grid.offsets(count)
    assert (
        offsets[0] == 0
        and offsets[-1] == count
        and (np.diff(offsets) >= 0).all()
        and len(offsets) == grid.ranks + 1
    )
    for rank in range(grid.ranks):
        group, shard = grid.place(rank)
        assert rank == group * shards + shard
        first, last = grid.group_columns(count, group)
        # the columns of a group are those of its ranks, and evenly so
        assert offsets[group * shards] == first and offsets[(group + 1) * shards] == last
        assert offsets[rank + 1] - offsets[rank] in (
            (last - first) // shards,
            -(-(last - first) // shards),
        )


file_sets = st.lists(
    st.tuples(st.integers(0, 5000), st.sampled_from([1, 3, 64, 100, 4096])), min_size=1, max_size=6
).filter(lambda files: sum(rows for rows, _ in files) > 0)


@given(files=file_sets, row_bytes=st.sampled_from([1, 784, 8 * 50_000, BLOCK_BYTES + 1]))
def test_blocks_tile_every_file_in_order(files, row_bytes):
    rows, chunks = zip(*files)
    blocks = blocks_of(rows, chunks, row_bytes)
    seen = [
        (int(f), r) for f, a, b in zip(blocks.file, blocks.start, blocks.stop) for r in range(a, b)
    ]
    assert seen == [(f, r) for f, count in enumerate(rows) for r in range(count)]
    assert blocks.edges[0] == 0 and blocks.edges[-1] == sum(rows) and (blocks.rows > 0).all()
    assert (
        (blocks.rows == 1) | (blocks.rows * row_bytes <= max(BLOCK_BYTES, max(chunks) * row_bytes))
    ).all()
    assert (
        len(blocks) <= BLOCKS * 3 // 2 + len(rows) or row_bytes * 16 > BLOCK_BYTES
    )  # rounding to chunks adds up to half


@given(files=file_sets, shards=small)
def test_shards_tile_the_blocks_and_are_even_to_a_block(files, shards):
    rows, chunks = zip(*files)
    blocks = blocks_of(rows, chunks, 100)
    runs = [blocks.shard(shards, index) for index in range(shards)]
    assert [b for first, last in runs for b in range(first, last)] == list(range(len(blocks)))
    for first, last in runs:
        share = int(blocks.rows[first:last].sum())
        # both edges are the nearest block edges to the ideal ones: each at most half a block away
        assert abs(share - sum(rows) / shards) <= blocks.rows.max()


@given(files=file_sets, data=st.data())
def test_runs_join_neighbouring_blocks_of_a_file(files, data):
    blocks = blocks_of(*zip(*files), 100)
    first = data.draw(st.integers(0, len(blocks)))
    last = data.draw(st.integers(first, len(blocks)))
    joined = [(f, r) for f, a, b in blocks.run(first, last) for r in range(a, b)]
    single = [
        (int(blocks.file[i]), r)
        for i in range(first, last)
        for r in range(blocks.start[i], blocks.stop[i])
    ]
    assert joined == single
    files_met = [f for f, _, _ in blocks.run(first, last)]
    assert files_met == sorted(set(files_met))


def test_blocks_are_whole_chunks_where_they_can_be_shared_out():
    blocks = blocks_of([100_000], [100], 800)
    assert (blocks.start % 100 == 0).all()
    # fewer than 32 chunks in all: they are cut, or four ranks could not share two of them
    blocks = blocks_of([8192], [4096], 800)
    assert len({blocks.shard(4, index)[1] for index in range(4)}) == 4


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_random_vectors_depend_on_seed_and_component_alone(seed):
    whole = unit_vectors(seed, range(6), 50)
    np.testing.assert_array_equal(unit_vectors(seed, [4, 2], 50), whole[[4, 2]])
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-15)
    others = np.vstack([whole[1:], unit_vectors(seed + 1, range(6), 50)])
    assert (
        np.abs(others @ whole[0]).max() < 0.75
    )  # independent ones in 50 dimensions: 0.75 is over five standard deviations


def test_streams_differ_by_any_key():
    draws = [stream(*keys).random() for keys in [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 1, 0)]]
    assert len(set(draws)) == len(draws)


@given(seed=st.integers(0, 100), total=st.integers(1, 500), data=st.data())
def test_spread_picks_one_of_every_part(seed, total, data):
    count = data.draw(st.integers(1, total))
    picked = spread(seed, count, total)
    assert (
        (np.diff(picked) > 0).all()
        and picked[0] >= 0
        and picked[-1] < total
        and len(picked) <= count
    )
    edges = np.linspace(0, total, count + 1)
    for low, high in zip(edges[:-1], edges[1:]):
        assert ((picked >= np.floor(low)) & (picked < np.ceil(high))).any()


@given(seed=st.integers(0, 100), n=st.integers(2, 5000), count=st.integers(1, 100))
def test_sampled_rows_are_rows_of_the_data(seed, n, count):
    rows = sampled_rows(n, count, seed)
    assert (np.diff(rows, prepend=-1) > 0).all() and (rows < n).all()
    assert not len(rows) or 0.9 * min(SHARE * n, 4 * count) - 1 <= len(rows) <= MOST * n + 1
    assert np.array_equal(rows, sampled_rows(n, count, seed))


@given(
    groups=st.integers(1, 4), shards=st.integers(1, 4), chosen=st.lists(st.booleans(), max_size=40)
)
def test_chosen_columns_are_owned_by_those_who_own_them_among_all(groups, shards, chosen):
    chosen = np.array(chosen, bool)
    offsets = Grid(groups, shards).offsets(len(chosen))
    among = offsets_among(chosen, offsets)
    for rank in range(groups * shards):
        own = chosen[offsets[rank] : offsets[rank + 1]]
        assert among[rank + 1] - among[rank] == own.sum()
    numbers = np.arange(len(chosen))
    assert np.array_equal(numbers[indices(chosen)], numbers[chosen])
    is_run = (np.diff(np.flatnonzero(chosen)) == 1).all()
    assert isinstance(indices(chosen), slice) == is_run
