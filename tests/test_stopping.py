"""When a run ends, and what it says is missing: of the components, whatever guards do, and never what contradicts its own figures."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpcpca.errors import DataError
from hpcpca.monitors.breakdown import Semidefinite
from hpcpca.monitors.stopping import CONVERGED, EXHAUSTED, MAX_ROUNDS, Stopping


def report(residuals=(1e-9, 1e-9, 1.0), values=(3.0, 2.0, 5.0), error=0.0, round=7, exhausted=False):
    """Of two components and a guard; vectors are ``error`` from orthonormal."""
    state = SimpleNamespace(round=round, exhausted=exhausted, eigenvalues=np.array(values), estimated=False, residuals=np.array(residuals))
    method = SimpleNamespace(orthonormality=lambda state, count: error if count == 2 else 1.0)
    return SimpleNamespace(state=state, method=method, components=2, residuals=state.residuals[:2], eigenvalues=state.eigenvalues)


@pytest.mark.parametrize("changes, told", [
    ({"residuals": (1e-9, 2e-6, 0.0)}, "component 1 has residual 2.0e-06, asked for 1e-06"),
    ({"residuals": (9e-7, 1e-9, 0.0)}, "component 0 has residual 9.0e-07, asked for at most 0.8 of the 1e-06"),
    ({"residuals": (1e-9, np.nan, 0.0)}, "component 1 has residual nan"),
    ({"values": (2.0, 3.0, 0.0)}, "component 1 has a larger eigenvalue than the one before it"),
    ({"error": 0.3}, "max|VVᵀ−I| = 3.0e-01, asked for 0.01"),
])
def test_what_is_missing(changes, told):
    stopping = Stopping(1e-6, 9, 0.01)
    assert stopping(report(**changes)) is None and told in stopping.lack
    assert stopping(report(**changes, round=9)) == MAX_ROUNDS and stopping(report(**changes, exhausted=True)) == EXHAUSTED


def test_guards_do_not_count():
    stopping = Stopping(1e-6, 9, 0.01)
    assert stopping(report()) == CONVERGED and stopping.lack is None


def test_no_tolerance_of_zero_is_met():
    stopping = Stopping(0.0, 9, 0.01)
    assert stopping(report(residuals=(0.0, 0.0, 0.0))) is None and "asked for 0" in stopping.lack


@pytest.mark.parametrize("values, are_orthonormal, told", [
    ((3.0, 2.0, -1e-5), True, "it has an eigenvalue of -1e-05 or below"),
    ((3.0, 2.0, -1e-6), True, None),              # rounding
    ((3.0, 2.5, 0.1), True, "eigenvalues found are 1.1 times its trace"),
    ((3.0, 2.5, 0.1), False, None),               # vectors may be nearly the same
    ((5.5, 2.5, 0.1), False, "eigenvalues found are 1.1 times its trace"),
    ((3.0, 2.0 + 1e-6, 9.0), True, None)])        # rounding, and a guard
def test_what_is_no_covariance(values, are_orthonormal, told):
    semidefinite = Semidefinite(5.0, 1e-6, are_orthonormal)
    if told is None:
        semidefinite(report(values=values))
    else:
        with pytest.raises(DataError, match=f"not a covariance: {told}"):
            semidefinite(report(values=values))
