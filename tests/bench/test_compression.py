"""The table of a step of PowerSGD."""

import re

import pytest
from launch import run

pytestmark = pytest.mark.once


def test_compression():
    """Its parts, and what they are over their floors."""
    words = ["bench", "compression", "64x48", "--count", "2", "--runs", "1", "--ranks", "2"]
    told = run(0, *words).ok().stdout
    assert told.startswith("2 matrices 64×48 in float32, rank 2, 2 ranks, medians of 1\n")
    for name in ("whole step", "products, orthonormalisation", "messages", "feedback"):
        assert re.search(rf"^\| {name} \| [0-9.]+ \|", told, re.M), told
