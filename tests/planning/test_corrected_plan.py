"""Whether corrections on a sample are planned: where they save more than they cost, and fit."""

import numpy as np
import pytest

from hpcpca.operators.cost import MATRIX, Job, Rates
from hpcpca.planning.plan import choose

pytestmark = pytest.mark.once
GIB = 1 << 30


def job(n, d, memory=64 * GIB, corrections="auto", read=2.0**30, **changes):
    given = {
        "n": n,
        "d": d,
        "dtype": np.dtype(np.float32),
        "panel": 32,
        "double": False,
        "ritz": True,
        "ranks": 2,
        "ranks_on_node": 2,
        "threads": 1,
        "shards": None,
        "memory": memory,
        "rates": Rates(read=read),
        "corrections": corrections,
    }
    return Job(**(given | changes))


def test_reading_is_saved():
    """8 GB under 1 GB: both kinds of directions, since passes wait for reading."""
    plan = choose(job(2_000_000, 1000, GIB, read=2e8), "streaming", None)
    plain = choose(job(2_000_000, 1000, GIB, "off", read=2e8), "streaming", None)
    assert (plan.corrections, plan.directions) == (MATRIX, "both")
    assert plan.bytes <= GIB and 10_000 <= plan.sample_rows <= 100_000
    assert plan.seconds < 0.8 * plain.seconds and not plain.corrections
    assert f"corrections on {plan.sample_rows} sampled rows, 4 passes" in plan.reason


def test_products_are_saved():
    """In memory, what is published is found by comparing."""
    plan = choose(job(2_000_000, 1000, read=2.0**34), "in-memory", None)
    assert plan.corrections == MATRIX and not plan.directions


@pytest.mark.parametrize("operator", ["in-memory", "streaming", "gram"])
def test_small_data_do_without(operator):
    assert not choose(job(5000, 300), operator, None).corrections


def test_long_rows_are_not_multiplied_for_a_matrix():
    """d² would not fit, and a sample of few rows saves nothing."""
    assert not choose(job(8000, 50_000), "in-memory", None).corrections
    plan = choose(job(8000, 50_000, corrections="on"), "in-memory", None)
    assert plan.corrections == "rows" and plan.sample_rows == 2000


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_passes_fall_with_the_sample(digits):
    found = [job(10**6, 100, sampled=rows, tol=10.0**-digits).passes for rows in (0, 1000, 10_000)]
    assert found[0] == found[1] == digits and found[2] == max(2, round(digits * 2 / 3))
