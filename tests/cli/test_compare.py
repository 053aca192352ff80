"""``hpcpca compare``: results and arrays of vectors."""

import h5py
import numpy as np
import pytest
from launch import batch, run
from spectra import data_rows, power_law

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("compare")
    with h5py.File(here / "x.h5", "w") as file:
        file["X"] = data_rows(power_law(20), 300)
        file["text"] = np.array([[b"a", b"b"]])
    fits = {
        "a.h5": ("-k", 4, "--tol", 1e-10),
        "b.h5": ("-k", 6, "--tol", 1e-10, "--method", "block-krylov"),
    }
    words = {name: ("fit", "x.h5:X", *each, "-o", name) for name, each in fits.items()}
    for done in batch(1, words, cwd=here).values():
        done.ok()
    with h5py.File(here / "a.h5") as file:
        vectors = file["components"][...]
    np.save(here / "turned.npy", -vectors[::-1])
    np.save(here / "short.npy", vectors[:, :3])
    np.save(here / "nan.npy", np.full((2, 20), np.nan))
    return here


def test_what_agrees(folder):
    cases = {
        "results": ("a.h5", "b.h5", "-k", 4, "--within", 1e-7),
        "wider": ("a.h5", "b.h5", "--within", 1e-7),
        "turned": ("a.h5", "turned.npy", "--within", 1e-12, "--memory", "2K"),
        "dataset": ("x.h5:X", "a.h5", "--within", 1e-6),
        "first": ("a.h5", "turned.npy", "-k", 1, "--within", 1, "-q"),
    }
    done = batch(1, {name: ("compare", *each) for name, each in cases.items()}, cwd=folder)
    assert "without a partner: 2 of b" in done["wider"].ok().stdout
    assert "eigenvalue of a" in done["results"].ok().stdout
    rows = [line.split() for line in done["turned"].ok().stdout.splitlines()[3:]]
    assert [row[:3] for row in rows] == [[str(k), str(3 - k), "−"] for k in range(4)]
    assert "eigenvalue" not in done["turned"].stdout
    done["dataset"].ok()  # 300 rows span all of it
    first = done["first"].ended(4)
    assert not first.stdout and "the largest angle is 1.6, more than --within 1" in first.stderr


def test_what_cannot_be_compared(folder):
    cases = {
        ("a.h5", "short.npy"): (3, "vectors of 20 entries, short.npy of 3"),
        ("a.h5", "nan.npy"): (3, "NaN"),
        ("a.h5", "no.h5"): (3, "no such file"),
        ("a.h5", "no.npy"): (3, "no such file"),
        ("a.h5", "x.h5:text"): (3, "x.h5:text"),
        ("a.h5", "b.h5", "-k", 5): (2, "-k 5: a.h5 has 4"),
        ("a.h5", "b.h5", "--memory", 100): (2, "--memory 100 B is too little"),
    }
    done = batch(1, {words: ("compare", *words) for words in cases}, cwd=folder)
    for words, each in done.items():
        code, told = cases[words]
        assert len(each.ended(code).messages) == 1 and told in each.messages[0], each
    assert "leave mpiexec out" in run(2, "compare", "a.h5", "b.h5", cwd=folder).ended(2).stderr
