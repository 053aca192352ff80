"""Kernels in registers, for registers of every length that processors have, against numpy."""

import numba
import numpy as np
import pytest

from hpcpca.kernels import registers

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
    monkeypatch.setattr(registers, "BYTES", nbytes)
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
    monkeypatch.setattr(registers, "BYTES", nbytes)
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
