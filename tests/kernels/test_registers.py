"""Kernels in registers, for registers of every length that processors have, against numpy."""

import numba
import numpy as np
import pytest

from hpcpca.kernels import llvm, registers

pytestmark = pytest.mark.once

lengths = pytest.mark.parametrize("nbytes", [16, 32, 64])
types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def whole_numbers(seed, *shapes):
    """Arrays of small whole numbers: every order of summation gives the same."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes]


@lengths
@types
@pytest.mark.parametrize("count", [1, 2, 4])
def test_dot(monkeypatch, nbytes, dtype, count):
    monkeypatch.setattr(llvm, "BYTES", nbytes)
    kernel, group = registers.dot(count), registers.GROUP
    call = numba.njit(lambda *arrays: kernel(*arrays, 48, 1, 0))
    tile, panel, sums = (
        x.astype(dtype) for x in whole_numbers(1, (group, 50), (6, 50), (group, 6))
    )
    expected = sums.copy()
    expected[:, 1 : 1 + count] += tile[:, :48] @ panel[1 : 1 + count, :48].T
    call(tile, panel, sums, tile)
    np.testing.assert_array_equal(sums, expected)


@lengths
@types
@pytest.mark.parametrize("left", [1, 7, 100])
def test_outer(monkeypatch, nbytes, dtype, left):
    """A strip, of which ``left`` columns at most are there."""
    monkeypatch.setattr(llvm, "BYTES", nbytes)
    kernel, width = (
        registers.outer(4, left == 100),
        registers.STRIP * nbytes // np.dtype(dtype).itemsize,
    )
    call = numba.njit(lambda *arrays: kernel(*arrays, 20, 3, 1, 5, 0))
    tile, sums, out = whole_numbers(2, (22, width + 3), (22, 6), (6, 5 + left))
    tile, sums, expected = tile.astype(dtype), sums.astype(dtype), out.copy()
    stop = min(width, left)
    expected[1:5, 5 : 5 + stop] += sums[:20, 1:5].T @ tile[:20, 3 : 3 + stop]
    call(tile, sums, out, tile)
    np.testing.assert_array_equal(out, expected)


def rows_and_shift(seed, source, work, shape):
    """Rows of a type, shifts and their scaled deviations."""
    rows, shift = (np.abs(x) for x in whole_numbers(seed, shape, shape[1:]))
    found = (rows - shift) / 2
    return rows.astype(source), shift.astype(work), found.astype(work)


sources = pytest.mark.parametrize("source", [np.uint8, np.int32, np.float32])


@lengths
@types
@sources
@pytest.mark.parametrize("count, columns", [(4, 64), (2, 51), (1, 3)])
def test_fresh_dot(monkeypatch, nbytes, dtype, source, count, columns):
    """As filling the tile, with zeros up to a whole register, and multiplying it then."""
    monkeypatch.setattr(llvm, "BYTES", nbytes)
    kernel, group, lanes = registers.fresh_dot(count), registers.GROUP, nbytes // dtype(0).itemsize
    start, stop, scale = 5, 5 + columns, dtype(0.5)

    @numba.njit
    def call(tile, panel, sums, rows, shift):
        kernel(tile, panel, sums, rows, 0, rows, shift, scale, start, stop)

    rows, shift, found = rows_and_shift(3, source, dtype, (group, 70))
    panel, sums = (x.astype(dtype) for x in whole_numbers(4, (6, 80), (group, 6)))
    tile, expected = np.full((group, 80), 7, dtype), sums.copy()
    end = -(-columns // lanes) * lanes
    filled = np.full_like(tile, 7)
    filled[:, :end] = 0
    filled[:, :columns] = found[:, start:stop]
    expected[:, :count] += filled[:, :end] @ panel[:count, :end].T
    call(tile, panel, sums, rows, shift)
    np.testing.assert_array_equal(tile, filled)
    np.testing.assert_array_equal(sums, expected)


@lengths
@types
@sources
def test_fresh_outer(monkeypatch, nbytes, dtype, source):
    monkeypatch.setattr(llvm, "BYTES", nbytes)
    width = registers.STRIP * nbytes // dtype(0).itemsize
    kernel, scale, place = registers.fresh_outer(4), dtype(0.5), 5 * source(0).itemsize

    @numba.njit
    def call(tile, sums, out, rows, shift):
        kernel(tile, sums, out, rows, shift, scale, 20, 5, place)

    rows, shift, found = rows_and_shift(5, source, dtype, (22, width + 9))
    tile, sums, out = whole_numbers(6, (22, width + 2), (22, 6), (6, width + 9))
    tile, sums, expected = tile.astype(dtype), sums.astype(dtype), out.copy()
    filled = tile.copy()
    filled[:20, :width] = found[:20, 5 : 5 + width]
    expected[:4, 5 : 5 + width] += sums[:20, :4].T @ filled[:20, :width]
    call(tile, sums, out, rows, shift)
    np.testing.assert_array_equal(tile, filled)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_rows_are_not_taken_where_shifts_are_integers(dtype):
    """Those of 64 bits, whose differences are exact as integers only."""
    kernels = [registers.fresh_dot(4), registers.fresh_outer(4)]
    takes, (dot, outer) = registers.takes_rows, kernels

    @numba.njit
    def call(tile, panel, sums, out, rows, shift):
        dot(tile, panel, sums, rows, 0, rows, shift, 1.0, 0, 48)
        outer(tile, sums, out, rows, shift, 1.0, 6, 0, 0)
        return takes(shift, tile)

    arrays = [np.zeros(shape) for shape in ((6, 48), (6, 48), (6, 6), (6, 48))]
    rows, shift = np.ones((12, 48), np.int64), np.zeros(48, dtype)
    arrays[1][:] = 1
    assert call(*arrays, rows, shift) == (dtype is np.float64)
    assert arrays[3].any() == (dtype is np.float64)
