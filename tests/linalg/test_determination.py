"""Goals of residuals and the word for each component, by figures whose answer is known."""

import numpy as np
import pytest

from hpcpca.linalg.determination import Goals, in_words, judge, named

pytestmark = pytest.mark.once


SINGLE, DOUBLE = 2.0**-23, 2.0**-46


def test_goals_are_the_tolerance_unless_a_component_is_smaller_than_that():
    values = np.array([4.0, 1.0, 4e-4, 1e-9])
    np.testing.assert_allclose(
        Goals(1e-3, 2)(values, DOUBLE), 1e-3
    )  # guards have to be as good as the last component
    np.testing.assert_allclose(Goals(1e-3, 3)(values, DOUBLE), [1e-3, 1e-3, 1e-5, 1e-5], rtol=1e-8)
    np.testing.assert_allclose(Goals(1e-3, 3)(values, SINGLE)[2], 1e-5 - SINGLE)


@pytest.mark.parametrize("rounding, floor", [(DOUBLE, 1.25 * DOUBLE), (SINGLE, 4 * SINGLE)])
def test_no_goal_is_out_of_reach_unless_the_tolerance_is(rounding, floor):
    np.testing.assert_array_equal(Goals(1e-3, 2)(np.array([1.0, 0.0]), rounding), [1e-3, floor])
    np.testing.assert_array_equal(Goals(1e-3, 2)(np.array([1.0, -1.0]), rounding), [1e-3, floor])
    np.testing.assert_array_equal(Goals(0.0, 2)(np.array([1.0, 0.0]), rounding), 0.0)


def test_goals_before_anything_is_known():
    np.testing.assert_array_equal(Goals(1e-3, 2)(np.zeros(4), DOUBLE), 1e-3)


@pytest.mark.parametrize(
    "values, residuals, rounding, words",
    [
        ([1.0, 0.5, 0.1], [1e-6, 1e-6, 1e-6], SINGLE, ["resolved", "resolved"]),
        ([1.0, 1e-4, 0.0], [1e-6, 9e-6, 1e-9], DOUBLE, ["resolved", "not separated"]),
        ([1.0, 1e-4, 0.0], [1e-6, 2e-5, 1e-9], DOUBLE, ["resolved", "undetermined"]),
        (
            [1.0, 0.5, 0.5],
            [1e-6, 1e-6, 1e-6],
            DOUBLE,
            ["resolved", "not separated"],
        ),  # a tie cut at K
        (
            [1.0, 0.5, 0.6],
            [1e-6, 1e-6, 1e-6],
            DOUBLE,
            ["resolved", "undetermined"],
        ),  # a guard that is larger
        (
            [1.0, 0.5, 0.6],
            [1e-6, 1e-6, 0.2],
            DOUBLE,
            ["resolved", "not separated"],
        ),  # … that may be
        ([1.0, 1e-14, 0.0], [1e-15, 1e-15, 0.0], DOUBLE, ["resolved", "none"]),
        ([1.0, 1e-14, 0.0], [1e-15, 1e-13, 0.0], DOUBLE, ["resolved", "undetermined"]),
        ([1.0, 1e-8, 0.0], [1e-8, 1e-8, 1e-8], SINGLE, ["resolved", "undetermined"]),
        (
            [0.5, 0.5, 0.1],
            [1e-6, 1e-6, 1e-6],
            DOUBLE,
            ["resolved", "resolved"],
        ),  # of a cluster, as a subspace
    ],
)
def test_one_word_for_each_component(values, residuals, rounding, words):
    found = judge(np.array(values), np.array(residuals), 2, 9, 9, rounding=rounding)
    assert found.standing.tolist() == words
    assert set(
        judge(
            np.array(values), np.array(residuals), 2, 9, 9, rounding=rounding, estimated=True
        ).standing
    ) == {"undetermined"}


def test_vectors_that_are_not_orthonormal_may_be_copies():
    """Copies have the same eigenvalue: what is far from all others is none, the rest is not
    known.
    """
    values, residuals = np.array([1.0, 1.0, 0.5, 0.1]), np.full(4, 1e-9)
    assert judge(values, residuals, 3, 9, 9, rounding=DOUBLE).standing.tolist() == ["resolved"] * 3
    found = judge(values, residuals, 3, 9, 9, rounding=DOUBLE, is_orthonormal=False)
    assert found.standing.tolist() == ["undetermined", "undetermined", "not separated"]
    assert found.separation.bounds.tolist() == [1, 1, 1]


def test_an_order_that_is_not_sure_has_no_bound():
    """A guard well above a component, however far: the component is not the one that it says."""
    found = judge(np.array([1.0, 0.5, 0.6]), np.full(3, 1e-9), 2, 9, 9, rounding=DOUBLE).separation
    assert found.bounds[1] == 1
    found = judge(np.array([0.5, 1.0, 0.1]), np.full(3, 1e-9), 2, 9, 9, rounding=DOUBLE).separation
    assert found.bounds.tolist() == [1, 1]


def test_components_are_named():
    words = np.array(["none", "resolved", "none", "none", "none", "undetermined"])
    assert (
        named(words, "none") == "components 0, 2–4"
        and named(words, "undetermined") == "component 5"
    )
    assert named(words, "not separated") == ""
    assert (
        in_words(words)
        == "determined: 1 of 6; resolved: 1; undetermined: 5; none: 0, 2–4 (no variance above"
        " rounding)"
    )
