"""The largest memory that a run is said to have used."""

import numpy as np
import pytest

from hpcpca.engine.memory import PeakMemory

pytestmark = pytest.mark.once


def test_what_was_held_between_two_looks_counts():
    peak = PeakMemory()
    before, size = peak.look(), 200 << 20
    np.ones(size // 8).sum()
    assert abs(peak.look() - before - size) < 20 << 20
    assert PeakMemory().look() < peak.look() - size // 2, "a new one begins anew"
