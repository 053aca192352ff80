"""scikit-learn's own tests of its PCA, with ``hpcpca.PCA`` in place of it.

A few tests of each function run by default, all of them with HPCPCA_TEST_ALL=1.
"""

import itertools
import os

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from estimator import PCA, Refused  # noqa: E402
from sklearn.decomposition.tests import test_pca as theirs  # noqa: E402
from verdicts import COUNTS, VERDICTS, VERSION  # noqa: E402

pytestmark = pytest.mark.once

IS_ALL = os.environ.get("HPCPCA_TEST_ALL") == "1"
FIXTURES = {"global_random_seed": [42], "global_dtype": [np.float64, np.float32]}  # their conftest
PASSES = ("passes", None, "")


def cases():
    """Yield (name, arguments) of all tests in their order."""
    for name, test in vars(theirs).items():
        if name.startswith("test_"):
            marks = [each for each in getattr(test, "pytestmark", []) if each.name == "parametrize"]
            sets = [list(_choices(*mark.args[:2])) for mark in marks]
            taken = test.__code__.co_varnames[: test.__code__.co_argcount]
            sets += [
                [{each: value} for value in FIXTURES[each]] for each in FIXTURES if each in taken
            ]
            for chosen in itertools.product(*sets):
                yield name, {each: value for part in chosen for each, value in part.items()}


def _choices(names, values):
    """{name: value} for each of the values of a parametrisation."""
    names = names.replace(" ", "").split(",") if isinstance(names, str) else names
    for value in values:
        yield dict(zip(names, value if len(names) > 1 else [value]))


def verdict(name, arguments):
    """(verdict, what the failure says, reason) of a test; they pass unless ``VERDICTS`` says
    otherwise.
    """
    for (test, conditions), said in VERDICTS:
        if test == name and all(
            is_so(arguments[each]) if callable(is_so) else arguments[each] == is_so
            for each, is_so in conditions.items()
        ):
            return said
    return PASSES


CASES = list(cases())


def chosen():
    """The tests that are run: all that apply, or of each function and verdict the first."""
    seen = set()
    for number, (name, arguments) in enumerate(CASES):
        said = verdict(name, arguments)
        if said[0] != "does not apply" and (IS_ALL or (name, said) not in seen):
            seen.add((name, said))
            yield pytest.param(name, arguments, said, id=f"{name[5:]}-{number}")


@pytest.mark.parametrize("name, arguments, said", list(chosen()))
def test_as_of_scikit_learn(name, arguments, said, monkeypatch):
    monkeypatch.setattr(theirs, "PCA", PCA)
    test = getattr(theirs, name)
    if said == PASSES:
        test(**arguments)
    else:
        with pytest.raises((AssertionError, Refused), match=said[1]):
            test(**arguments)


@pytest.mark.skipif(not sklearn.__version__.startswith(VERSION), reason="counts are of another one")
def test_counts():
    found = {}
    for name, arguments in CASES:
        kind = "sparse" if "sparse" in name else "dense"
        key = kind, verdict(name, arguments)[0]
        found[key] = found.get(key, 0) + 1
    assert found == COUNTS
