"""The covariance of sparse rows, centred implicitly, equals the dense covariance: types, sizes of
values, empty rows and columns, kernels, tiles, grids.
"""

import numpy as np
import pytest
from sparse_files import write
from spectra import agreed_assert, build, grids, images, wrong

from hpcpca.errors import DataError
from hpcpca.kernels import compiled, plain
from hpcpca.kernels.sparse_tiles import SparseTiles

N, D = 211, 23
RANDOM = np.random.default_rng(8)
COUNTS = RANDOM.poisson(0.2, (N, D)) * RANDOM.integers(1, 9, D)
COUNTS[[0, 5, N - 1]] = 0
COUNTS[:, 4] = 0
COUNTS[:, 7] = 3  # stored everywhere, and constant
COUNTS[:, 9] += 200  # a mean far from 0
REALS = np.where(COUNTS, COUNTS * (1 + RANDOM.random((N, D))), 0)
CASES = {
    "uint8": COUNTS.astype("u1"),
    "int32": COUNTS.astype("i4"),
    "int64": -COUNTS.astype("i8"),
    "float32": REALS.astype("f4"),
    "float32 huge": (1e30 * REALS).astype("f4"),
    "float32 tiny": (1e-30 * REALS).astype("f4"),
    "float64": REALS,
    "float64 huge": 1e150 * REALS,
}
SINGLE = ("u1", "f4")


def written(path, rows, *more):
    return [
        f"{write(path, each, dtype=each.dtype.str[1:], group=f'X{number}')}:X{number}"
        for number, each in enumerate((rows, *more))
    ]


def work_of(rows, double=False):
    return np.float32 if rows.dtype.str[1:] in SINGLE and not double else np.float64


@pytest.mark.once
@pytest.mark.parametrize("kernels", [plain, compiled], ids=["plain", "compiled"])
@pytest.mark.parametrize("case", CASES)
def test_operator_is_the_covariance(alone, exchange_over, tmp_path, monkeypatch, case, kernels):
    """In both precisions in turn, over many tiles and pieces; then in double."""
    monkeypatch.setattr("hpcpca.kernels.sparse_tiles.ROWS", 20)
    monkeypatch.setattr("hpcpca.kernels.sparse_tiles.PER_COLUMN", 1)
    monkeypatch.setattr("hpcpca.kernels.plain.DENSE_BYTES", 1000)
    monkeypatch.setattr("hpcpca.sources.source.PIECE_BYTES", 1000)
    rows = CASES[case]
    double = (list(CASES).index(case) + (kernels is plain)) % 2 == 1
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, "sparse", written(tmp_path / "x.h5ad", rows), double, kernels)
    assert len(operator._tiles) > 5
    assert not (why := wrong(operator, exchange, rows, work_of(rows, double), False)), why
    assert (operator.n, operator.d, operator.is_double) == (N, D, double)
    operator.to_double()
    assert not (why := wrong(operator, exchange, rows, np.float64, False)), why


@pytest.mark.once
def test_sums_of_many_rows_are_in_double(alone, exchange_over, tmp_path, monkeypatch):
    """A column that every one of many rows has would lose digits in a sum in single precision."""
    monkeypatch.setattr("hpcpca.kernels.sparse_tiles.ROWS", 10**9)
    rows = np.zeros((30_000, 5), np.float32)
    rows[:, 1] = np.where(np.arange(30_000) % 2, 1, 1.0001)
    rows[::40, 2] = 1
    names, exchange = written(tmp_path / "x.h5ad", rows), exchange_over(alone, 1, 1)
    expected = np.cov(rows.T.astype(float))
    for kernels in (plain, compiled):
        operator = build(exchange, "sparse", names, kernels=kernels)
        found = np.ldexp(images(operator, exchange, np.eye(5)), operator.exponent)
        # deviations of 5e-5 of values near 1, which are rounded once, and their mean again
        assert np.abs(found - expected)[1, 1] <= 2**-23 / 5e-5 * expected[1, 1]
        assert np.abs(found - expected)[2, 2] <= 1e-6 * expected[2, 2]


@pytest.mark.once
def test_tiles_of_some_of_the_rows():
    dense = np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0], [4, 5, 6], [0, 7, 8]])
    values, rows, heads = np.zeros(8), np.zeros(8, np.uint16), np.zeros((2, 4), np.int32)
    for number, (start, stop, first, last) in enumerate([(0, 3, 0, 3), (3, 5, 3, 8)]):
        row, column = np.nonzero(dense[start:stop])
        ends = np.searchsorted(row, np.arange(stop - start + 1))
        stored = dense[start:stop][row, column].astype(float)
        place = heads[number], rows[first:last], values[first:last]
        plain.by_columns(stored, column, ends, *place)
    shift = np.array([0.5, 1, -2])
    tiles = SparseTiles((values, rows, heads), [3, 2], shift, np.float64, plain)
    for numbers in ([1, 3], [0, 1, 2, 3, 4], [4], []):
        some = tiles.subset(np.array(numbers, np.int64))
        total, vectors, buffer = some.total(3), some.vectors(np.eye(3)), some.buffer()
        for number in range(len(some)):
            some.add_product(number, buffer, vectors, total)
        expected = dense[numbers] - shift
        np.testing.assert_allclose(some.images(total), expected.T @ expected, atol=1e-13)


@pytest.mark.once
def test_what_is_refused(alone, exchange_over, tmp_path):
    exchange = exchange_over(alone, 1, 1)
    same = np.tile([0.0, 0.1, 3.3], (50, 1))
    with pytest.raises(DataError, match="zero variance"):
        build(exchange, "sparse", written(tmp_path / "same.h5ad", same))
    bad = REALS.copy()
    bad[120, 9] = np.nan
    with pytest.raises(DataError, match=r"row 120, column 9 is nan"):
        build(exchange, "sparse", written(tmp_path / "bad.h5ad", bad))


@pytest.mark.mpi
@pytest.mark.parametrize("case", ["uint8", "float32 huge", "float64"])
def test_over_ranks(comm, exchange_over, shared_path, case):
    """Two matrices of uneven height on every grid of these ranks; some ranks may have no rows."""
    rows = CASES[case]
    path = shared_path / "x.h5ad"
    if comm.rank == 0:
        written(path, rows[:7], rows[7:])
    comm.Barrier()
    for groups, shards in grids(comm.size):
        exchange = exchange_over(comm, groups, shards)
        operator = build(exchange, "sparse", [f"{path}:X0", f"{path}:X1"])
        why = wrong(operator, exchange, rows, work_of(rows), False)
        agreed_assert(comm, not why and operator.n == N, f"grid {groups}x{shards}: {why}")
