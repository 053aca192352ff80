"""The same script alone and under mpiexec: all ranks have the same rows, and the same result."""

import numpy as np
import pytest
from spectra import data_rows, power_law

import hpcpca

N, D, K = 200, 12, 3


@pytest.mark.mpi
def test_the_same_script(comm, findings, shared_path):
    rows = data_rows(power_law(D), N, seed=21) + 1
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    wanted = vectors.T[::-1][:K]
    if comm.rank == 0:
        np.save(shared_path / "rows.npy", rows)
    comm.Barrier()
    for given, operator in (
        (rows, "auto"),
        (rows, "mapped"),
        (np.asfortranarray(rows), "streaming"),
        (shared_path / "rows.npy", "in-memory"),
    ):
        found = hpcpca.PCA(K, operator=operator, tol=1e-9).fit(given)
        off = np.abs(np.abs(found.components_ @ wanted.T) - np.eye(K)).max()
        findings.that(off < 1e-7, f"{operator}: {off}")
        found.transform(rows)  # by each for itself
        alike = comm.allgather(found.components_.tobytes())
        findings.that(len(set(alike)) == 1, "ranks have other components")
    found.result_.save(shared_path / "pca.h5")
    comm.Barrier()
    kept = hpcpca.load(shared_path / "pca.h5")
    findings.that(np.array_equal(kept.components_, found.components_), "the file differs")
    weighed = hpcpca.PCA(K).fit(rows, row_weights=np.arange(N))
    wanted = np.average(rows, axis=0, weights=np.arange(N))
    findings.that(np.abs(weighed.mean_ - wanted).max() < 1e-12, "weights of rows")
    parts = hpcpca.PCA(K).partial_fit(rows[:150]).partial_fit(rows[150:])
    findings.that(np.abs(parts.mean_ - rows.mean(axis=0)).max() < 1e-12, "mean of an update")
    more = hpcpca.PCA(K + 2, extend=found.result_).fit(shared_path / "rows.npy")
    kept = more.components_[:K].tobytes() == found.components_.tobytes()
    findings.that(kept, "components that were kept")
    pairs = hpcpca.ReducedRankRegression(1).fit(rows, rows[:, :2])
    alike = comm.allgather(pairs.coef_.tobytes())
    findings.that(len(set(alike)) == 1, "ranks have other coefficients")


@pytest.mark.mpi(min_size=2)
def test_other_rows_are_refused_by_all(comm, findings):
    rows = data_rows(power_law(D), N, seed=21)
    rows[0] += comm.rank == comm.size - 1
    try:
        hpcpca.PCA(K).fit(rows)
        said = ""
    except ValueError as error:
        said = str(error)
    findings.that("X of rank" in said and "differs from that of rank 0" in said, said)


@pytest.mark.mpi(min_size=2)
def test_other_parameters_are_refused_by_all(comm, findings):
    rows = data_rows(power_law(D), N, seed=21)
    whole = hpcpca.PCA(K).fit(rows)
    is_last = comm.rank == comm.size - 1
    for name, usual, other in (
        ("n_components", K, K + 1),
        ("n_components", K, None),
        ("columns", np.arange(D), np.arange(D) + (np.arange(D) == 1)),
        ("column_weights", np.ones(D), np.ones(D) + (np.arange(D) == 1)),
        ("scale", False, True),
        ("nan", "raise", "mean"),
        ("tol", 1e-6, 1e-8),
        ("tol", 1e-6, 7),  # which its own rank refuses
        ("seed", 0, 1),
        ("extend", None, whole.result_),
        ("init", None, np.eye(K, D)),
    ):
        chosen = {"n_components": K + 2} | {name: other if is_last else usual}
        try:
            hpcpca.PCA(**chosen).fit(rows)
            said = "nothing"
        except ValueError as error:
            said = str(error)
        findings.that((name in said and "rank" in said) or "tol 7" in said, f"{name}: {said}")
    try:
        hpcpca.ReducedRankRegression(1 + is_last).fit(rows, rows[:, :2])
        said = "nothing"
    except ValueError as error:
        said = str(error)
    findings.that("rank of rank" in said, f"rank: {said}")
