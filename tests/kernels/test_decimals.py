"""Numbers in text: every bit as Python has it, or left to others."""

import numpy as np
import pytest

from hpcpca.kernels import decimals

pytestmark = pytest.mark.once

COMMA = ord(",")
RNG = np.random.default_rng(4)
BITS = RNG.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
BITS = BITS[np.isfinite(BITS)].tolist()
NORMAL = RNG.standard_normal(20_000).tolist()


def parsed(text, targets=(0,), mark=COMMA):
    """(Rows, which are odd) of a text."""
    data, lines = np.frombuffer(text.encode(), np.uint8), text.split("\n")
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    bounds = np.column_stack([ends - [len(line) for line in lines], ends])
    out = np.full((len(bounds), max(targets) + 1), 7.0)
    return out, decimals.parse(data, bounds, mark, np.array(targets), out)


@pytest.mark.parametrize(
    ("words", "most_odd"),
    [
        ([repr(value) for value in BITS], 0.05),  # subnormal, or almost too large
        ([f"{value:.18e}" for value in BITS], 0.05),
        ([f"{value:.17g}" for value in NORMAL], 0),
        ([f"{value:.6f}" for value in NORMAL], 0),
        ([f"{value:+.3E}" for value in NORMAL], 0),
        ([str(value) for value in RNG.integers(-(2**63), 2**63 - 1, 20_000)], 0.01),
        ([str(4 * value + 2) for value in RNG.integers(2**52, 2**53, 20_000)], 0.6),  # half-way
        ([f"{4 * value + 2}.5" for value in RNG.integers(2**52, 2**53, 20_000)], 0.6),
        ([f"1e{exponent}" for exponent in range(-330, 330)], 0.2),
        (["0", "-0", "00.10", "5.", ".5", "+5", "1e5", "1E-05", "9007199254740993", "1e400x"], 0.2),
    ],
)
def test_as_python_rounds(words, most_odd):
    found, odd = parsed("\n".join(words))
    assert odd.mean() <= most_odd and not odd.all()
    expected = np.array([float(word) for word, is_odd in zip(words, odd) if not is_odd])
    np.testing.assert_array_equal(found[~odd, 0].view(np.uint64), expected.view(np.uint64))


def test_lines():
    """Columns that are taken in any order, quotes, blanks, what is missing."""
    text = '1,"a, ""b""",2 \n 3,,\n"4",x, "5"\n"",nan, NaN\n6,"",7'
    found, odd = parsed(text, (1, -1, 0))
    nan = np.nan
    assert not odd.any()
    np.testing.assert_array_equal(found, [[2, 1], [nan, 3], [5, 4], [nan, nan], [7, 6]])
    found, odd = parsed("  1 \t x 2\n3  4 5 ", (0, -1, 1), decimals.BLANKS)
    assert not odd.any()
    np.testing.assert_array_equal(found, [[1, 2], [3, 5]])
    found, odd = parsed("1\t\t2", (0, 1, 2), ord("\t"))
    np.testing.assert_array_equal(found, [[1, nan, 2]])


@pytest.mark.parametrize(
    "line",
    [
        *("1", "1,2,3", "1,x", "1,2x", "1,2 3", "1,--2", "1,.", "1,-", "1,e5", "1,2e", "1,2e+"),
        *("1,NA", "1,inf", '1,"2', '1,"2"3', '1,"', "1,1_0", "1,12345678901234567890", "1,0x1"),
        *("1,1.2.3", "1,nano", "1,2,", ",,"),
    ],
)
def test_odd_lines_are_left_to_others(line):
    """They alone."""
    found, odd = parsed(f"1,2\n{line}\n3,4", (0, 1))
    assert odd.tolist() == [False, True, False]
    np.testing.assert_array_equal(found[[0, 2]], [[1, 2], [3, 4]])


@pytest.mark.parametrize("line", ["1", "1 2 3", '1 "2"3', "1 2,", "1,2"])
def test_odd_lines_of_blanks(line):
    assert parsed(f"1 2\n{line}", (0, 1), decimals.BLANKS)[1].tolist() == [False, True]
