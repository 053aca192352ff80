"""An adapter with awkward names, and whether two are the same."""

import numpy as np
import pytest

from hpcpca.adapters import Adapter


def some_adapter(seed=0, ranks=(3, 2, 3), biases=False):
    """Three modules, names that are parts of others."""
    random = np.random.default_rng(seed)
    sides = {"encoder.0.query": (5, 4), "query": (5, 6), "encoder.0.out": (4, 5)}
    pairs = {
        name: tuple(random.standard_normal((r, side)).astype(np.float32) for side in sides)
        for r, (name, sides) in zip(ranks, sides.items())
    }
    held = {name: random.standard_normal(q) for name, (_, q) in sides.items()}
    return Adapter(pairs, held if biases else {})


def assert_same(one, other, near=1e-6):
    assert one.ranks == other.ranks and one.biases.keys() == other.biases.keys()
    for name in one.pairs:
        assert one.change(name) == pytest.approx(other.change(name), abs=near)
    for name, bias in one.biases.items():
        assert bias == pytest.approx(other.biases[name], abs=near)
