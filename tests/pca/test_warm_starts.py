"""Start vectors that are exact eigenvectors, and not the leading ones: residuals of 0 prove
nothing. All against spectra that are prescribed.
"""

import h5py
import numpy as np
import pytest
from launch import run
from spectra import data_rows, exponential

pytestmark = pytest.mark.once

N, D = 600, 90
CLUSTER = np.concatenate([[1, 1 - 1e-5, 1 - 2e-5, 1 - 3e-5], 0.6 * 0.9 ** np.arange(D - 4)])
SPECTRA = {"steep": exponential(D, 0.63), "cluster": CLUSTER, "flat": np.linspace(1, 0.5, D)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows of each spectrum in double, with their eigenvectors."""
    here = tmp_path_factory.mktemp("warm")
    for number, (name, values) in enumerate(SPECTRA.items()):
        rows = data_rows(values, N, seed=number, mean=1.0)
        vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2]
        with h5py.File(here / f"{name}.h5", "w") as file:
            file["X"] = rows
        with h5py.File(here / f"{name}-vectors.h5", "w") as file:
            file["all"], file["mixed"] = vectors, vectors[:2].sum(axis=0, keepdims=True)
            for first in (1, 3):
                file[f"from {first}"] = vectors[first : first + 2]
    return here


def fitted(folder, name, *words, n=0, code=0):
    run(n, "fit", f"{name}.h5", "-o", "out.h5", "--overwrite", *words, cwd=folder).ended(code)
    return read(folder, name, "out.h5")


def read(folder, name, path):
    """(Eigenvalues, sines to the true components, bounds, words) of a result."""
    with h5py.File(folder / f"{name}-vectors.h5") as file:
        true = file["all"][:]
    with h5py.File(folder / path) as file:
        found, bounds = file["components"][:], file["angle_bounds"][:]
        values, words = file["explained_variance"][:], file["standing"][:].astype(str)
    along = np.abs(np.einsum("kd,kd->k", found, true[: len(found)]))
    return values, np.sqrt(np.clip(1 - along**2, 0, 1)), bounds, words


@pytest.mark.parametrize("first", (1, 3))
@pytest.mark.parametrize("k", (1, 2))
@pytest.mark.parametrize(
    "n, options",
    (
        (0, ()),
        (2, ("--operator", "streaming")),
        (1, ("--operator", "in-memory", "--precision", "single", "--tol", "1e-4")),
        (1, ("--exchange", "vectors", "--guards", 4)),
    ),
)
def test_what_start_vectors_miss_is_found(folder, n, options, k, first):
    start = ("--init", f"steep-vectors.h5:from {first}")
    values, sines, bounds, words = fitted(folder, "steep", "-k", k, *start, *options, n=n)
    assert values == pytest.approx(SPECTRA["steep"][:k], rel=1e-5)
    assert (sines <= bounds + 1e-7).all() and (words == "resolved").all()


def test_without_guards_no_angle_is_bounded(folder):
    """Nothing looks for what is missing then."""
    words = ("--init", "steep-vectors.h5:from 1", "--exchange", "vectors", "-k", 2)
    _, sines, bounds, words = fitted(folder, "steep", *words)
    assert sines.min() > 0.9 and np.isnan(bounds).all() and (words == "not separated").all()


@pytest.mark.parametrize("operator", ("gram", "streaming"))
@pytest.mark.parametrize("options", ((), ("--exchange", "vectors", "--guards", 4)))
def test_guards_that_are_young_do_not_separate(folder, operator, options):
    """Part of a cluster is taken as a start, and then a rough result resumed: what follows it is
    not known at once.
    """
    words = ("-k", 1, "--tol", "1e-2", "--operator", operator, *options)
    _, sines, bounds, _ = fitted(folder, "cluster", "--init", "cluster-vectors.h5:mixed", *words)
    assert not bounds[0] < sines[0] - 1e-7
    run(0, "fit", "cluster.h5", "-o", "rough.h5", "--overwrite", *words, cwd=folder).ok()
    run(0, "resume", "rough.h5", "--tol", "9e-3", cwd=folder).ok()
    _, sines, bounds, _ = read(folder, "cluster", "rough.h5")
    assert not bounds[0] < sines[0] - 1e-7


def test_an_interrupted_search_goes_on(folder):
    """A checkpoint knows since when guards look for what is missing."""
    words = ("-k", 1, "--init", "steep-vectors.h5:from 1", "--max-rounds", 1)
    fitted(folder, "steep", *words, code=4)
    run(2, "resume", "out.h5.ckpt", "--max-rounds", 100, cwd=folder).ok()
    values, sines, bounds, _ = read(folder, "steep", "out.h5")
    assert values[0] == pytest.approx(1, rel=1e-6) and sines[0] <= bounds[0] + 1e-7


def test_a_flat_spectrum_does_not_wait_for_ever(folder):
    """Guards cannot tell there: the run ends, and what it says of angles holds."""
    words = ("-k", 2, "--init", "flat-vectors.h5:from 3")
    _, sines, bounds, _ = fitted(folder, "flat", *words)
    assert not (bounds < sines - 1e-7).any()


def test_guards_whose_turn_never_comes_are_refused(folder):
    words = ("--method", "sequential-deflation", "--guards", 3)
    done = run(0, "fit", "steep.h5", "-k", 1, "-o", "no.h5", *words, cwd=folder).ended(2)
    assert "--guards 3 does not go with --method sequential-deflation" in done.stderr
