"""Sequential deflation with a budget gives every worker its share of the rounds, in turn."""

import numpy as np
import pytest

from hpcpca.methods.schedule import budgeted, shares
from hpcpca.methods.state import unmeasured

pytestmark = pytest.mark.once


@pytest.mark.parametrize("slope, expected", [(0.0, [10, 10, 10]), (0.5, [15, 10, 5])])
def test_shares(slope, expected):
    assert shares(30, slope, 3).tolist() == expected
    assert shares(30, 1.0, 3).tolist()[-1] == 2  # the least

    class Method:
        count = 3

    schedule, turns = budgeted(30, slope), []
    for number in range(30):
        working = schedule(Method, unmeasured(number, np.zeros((3, 4)), 3), None)
        assert working.sum() == 1
        turns.append(int(working.argmax()))
    assert turns == np.repeat(np.arange(3), expected).tolist()
