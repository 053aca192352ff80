"""When a run ends, and what it says is missing: of the components, whatever guards do, and never
what contradicts its own figures.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from hpcpca.engine.report import Report
from hpcpca.engine.stopping import (
    AT_ROUNDING,
    CONVERGED,
    EXHAUSTED,
    MAX_ROUNDS,
    Stagnation,
    Stopping,
)
from hpcpca.errors import DataError
from hpcpca.pca.checks import Semidefinite

pytestmark = pytest.mark.once


SINGLE, DOUBLE = 2.0**-23, 2.0**-46


def report(
    residuals=(1e-9, 1e-9, 1.0),
    values=(3.0, 2.0, 5.0),
    error=0.0,
    round=7,
    exhausted=False,
    tol=1e-6,
    rounding=DOUBLE,
):
    """Of two components and a guard; vectors are ``error`` from orthonormal."""
    state = SimpleNamespace(
        round=round,
        exhausted=exhausted,
        eigenvalues=np.array(values),
        estimated=False,
        residuals=np.array(residuals),
        vectors=np.zeros((3, 20)),
    )
    method = SimpleNamespace(orthonormality=lambda state, count: error if count == 2 else 1.0)
    return Report(
        state,
        method,
        None,
        2,
        0.0,
        eigenvalues=state.eigenvalues,
        is_double=rounding == DOUBLE,
        tol=tol,
        rounding=rounding,
        rank_limit=20,
    )


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"residuals": (1e-9, 2e-6, 0.0)}, "component 1 has residual 2.0e-06, asked for 1e-06"),
        (
            {"residuals": (9e-7, 1e-9, 0.0)},
            "component 0 has residual 9.0e-07, asked for at most 0.8 of the 1e-06",
        ),
        ({"residuals": (1e-9, np.nan, 0.0)}, "component 1 has residual nan"),
        (
            {"values": (3.0, 3e-6, 0.0), "residuals": (1e-9, 5e-7, 0.0)},
            "component 1 has residual 5.0e-07, asked for 1e-07 (its variance is small",
        ),
        ({"values": (2.0, 3.0, 0.0)}, "component 1 has a larger eigenvalue than the one before it"),
        (
            {"values": (3.0, 2e-7, 2.3e-7), "residuals": (1e-9, 1e-9, 1e-9)},
            "a guard has a larger eigenvalue than component 1",
        ),
        ({"error": 0.3}, "max|VVᵀ−I| = 3.0e-01, asked for 0.01"),
    ],
)
def test_what_is_missing(changes, told):
    stopping = Stopping(1e-6, 9, 0.01)
    assert stopping(report(**changes)) is None and told in stopping.lack
    assert (
        stopping(report(**changes, round=9)) == MAX_ROUNDS
        and stopping(report(**changes, exhausted=True)) == EXHAUSTED
    )


def test_guards_do_not_count():
    stopping = Stopping(1e-6, 9, 0.01)
    assert stopping(report()) == CONVERGED and stopping.lack is None


def test_no_tolerance_of_zero_is_met():
    stopping = Stopping(0.0, 9, 0.01)
    assert (
        stopping(report(residuals=(0.0, 0.0, 0.0), tol=0.0)) is None
        and "asked for 0" in stopping.lack
    )


@pytest.mark.parametrize(
    "variance, outcome",
    [
        (1e-5, CONVERGED),  # ten times its residual and the rounding: determined
        (1e-13, AT_ROUNDING),  # between one and ten times the rounding of double precision
        (1e-16, CONVERGED),  # below it: there is none
    ],
)
def test_a_component_near_the_rounding_is_not_passed_off_as_right(variance, outcome):
    """In double precision that is the end.

    In single, as soon as the goals are reached, the run goes on in double.
    """
    figures = {"values": (1.0, variance, 0.0), "residuals": (1e-15, 1e-15, 1e-15)}
    assert Stopping(1e-6, 9, 0.01)(report(**figures)) == outcome
    assert not Stagnation()(report(**figures), outcome)
    coarse, stagnation = report(**figures, rounding=SINGLE), Stagnation()
    ends = Stopping(1e-6, 9, 0.01)(coarse)
    assert ends == (CONVERGED if outcome == CONVERGED and variance > SINGLE else AT_ROUNDING)
    assert stagnation(coarse, ends) == (ends == AT_ROUNDING)


@pytest.mark.parametrize(
    "values, are_orthonormal, told",
    [
        ((3.0, 2.0, -1e-5), True, "it has an eigenvalue of -1e-05 or below"),
        ((3.0, 2.0, -1e-6), True, None),  # rounding
        ((3.0, 2.5, 0.1), True, "eigenvalues found are 1.1 times its trace"),
        ((3.0, 2.5, 0.1), False, None),  # vectors may be nearly the same
        ((5.5, 2.5, 0.1), False, "eigenvalues found are 1.1 times its trace"),
        ((3.0, 2.0 + 1e-6, 9.0), True, None),
    ],
)  # rounding, and a guard
def test_what_is_no_covariance(values, are_orthonormal, told):
    semidefinite = Semidefinite(5.0, 1e-6, are_orthonormal)
    if told is None:
        semidefinite(report(values=values))
    else:
        with pytest.raises(DataError, match=f"not a covariance: {told}"):
            semidefinite(report(values=values))
