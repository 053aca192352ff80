"""Steps that random guards need, against what they find on diagonal matrices."""

import numpy as np
import pytest
from spectra import power_law

from hpcpca.linalg.search import Search

pytestmark = pytest.mark.once

D, GUARDS = 3000, 8
TAILS = {
    "flat": 0.3 * np.ones(D - 1),
    "near": np.linspace(0.8, 0.0, D - 1),
    "law": 0.5 * power_law(D - 1),
}


def share_found(values, steps, has_history, seed):
    """cos² between e_0 and what guards span: after so many power steps, or in their history."""
    block = np.random.default_rng(seed).standard_normal((GUARDS, len(values)))
    every = []
    for _ in range(steps + 1):
        block = np.linalg.qr(block.T)[0].T
        every.append(block)
        block = block * values
    spanned = np.concatenate(every) if has_history else every[-1]
    basis = np.linalg.svd(spanned, full_matrices=False)[2]
    return (basis[:, 0] ** 2).sum()


@pytest.mark.parametrize("has_history", (True, False))
@pytest.mark.parametrize("tail", TAILS)
def test_steps_are_enough_and_not_too_many(tail, has_history):
    """Whatever is as large as the component is found; half as many may not do."""
    values = np.concatenate([[1.0], TAILS[tail]])
    known = np.concatenate([[1.0], np.sort(TAILS[tail])[::-1][:GUARDS]])
    search = Search(GUARDS, 0, has_history)
    needed = search.needed(known, 1, D, 1e-16)
    assert 1 <= needed < 60
    shares = [share_found(values, needed, has_history, seed) for seed in range(6)]
    assert min(shares) > 0.9
    few = [share_found(values, needed // 4, has_history, seed) for seed in range(6)]
    assert min(few) < 0.9


def test_what_needs_no_search_or_cannot_have_one():
    values = np.array([1.0, 0.5, 0.5])
    assert Search(0, 0).needed(values, 1, D, 0.0) == np.inf
    assert Search(2, 0).needed(values, 1, 3, 0.0) == 0  # they are all there is
    assert Search(1, 0).needed(values, 2, D, 0.0) == np.inf  # no gap
    assert Search(1, 0).needed(np.array([1.0, 0.0, 0.0]), 2, D, 1e-12) == 0  # and nothing left
    assert Search(1, 0).needed(np.array([1.0, np.nan]), 1, D, 0.0) == np.inf
    assert [Search(2, 5, late=1).steps(each) for each in (5, 6, 7, 8, 9)] == [0, 0, 0, 1, 2]
