"""Rows that ``hpcpca fit`` is tried on, and what a dense eigensolver makes of them."""

import json

import h5py
import numpy as np
import pytest
import spectra

K, N, D = 5, 203, 24
SHARDS = {"s1.h5": 40, "s2.h5": 97, "s10.h5": 3, "s11.h5": 63}  # rows of each, in natural order


def write_rows(folder):
    """Write four uneven shards and the same rows in one file, in float32 too; return the rows
    (N, D).
    """
    rows = spectra.data_rows(spectra.exponential(D, 0.7), N, mean=np.linspace(-3, 3, D))
    _write_shards(folder / "shards", rows)
    with h5py.File(folder / "one.h5", "w") as file:
        file["a"], file["b"] = rows, rows[:5]
    with h5py.File(folder / "single.h5", "w") as file:
        file["X"] = rows.astype("f4")
    return rows


def _write_shards(folder, rows):
    """Write the rows as compressed shards."""
    folder.mkdir()
    first = 0
    for name, count in SHARDS.items():
        with h5py.File(folder / name, "w") as file:
            file.create_dataset(
                "x/rows",
                data=rows[first : first + count],
                chunks=(min(16, count), D),
                compression="gzip",
            )
        first += count


def compare(path, rows, tol=1e-6, count=K):
    """Assert that a result agrees with a dense eigensolver and scikit-learn on ``rows``."""
    from sklearn.decomposition import PCA  # which takes a while; other workers need it not

    sigma, mean = spectra.dense_covariance(rows)
    values, vectors = spectra.leading(sigma, count)
    exact = PCA(count, svd_solver="full").fit(rows.astype(np.float64))
    with h5py.File(path) as file:
        found = {name: file[name][...] for name in file if isinstance(file[name], h5py.Dataset)}
        is_warm = bool(json.loads(file.attrs["config"])["init"])
        assert file.attrs["outcome"] == "converged" and file.attrs["n_samples"] == len(rows)
        assert file.attrs["total_variance"] == pytest.approx(
            np.trace(sigma), rel=1e-7 if tol > 1e-7 else 1e-12
        )
    assert (found["residuals"] <= tol).all()
    np.testing.assert_allclose(
        found["explained_variance"], values, rtol=0, atol=max(1e-14, min(tol / 3, 3e-7)) * values[0]
    )
    np.testing.assert_allclose(
        found["explained_variance_ratio"], exact.explained_variance_ratio_, atol=tol
    )
    np.testing.assert_allclose(
        found["singular_values"], exact.singular_values_, atol=tol * exact.singular_values_[0]
    )
    np.testing.assert_allclose(
        found["mean"], mean, atol=1e-6 if found["mean"].dtype == "f4" else 1e-7
    )
    for k in range(count):
        angle = spectra.sine(
            found["components"][k] / np.linalg.norm(found["components"][k]), vectors[k : k + 1]
        )
        bound = found["angle_bounds"][k]
        has_bound = found["guard_eigenvalues"].size or (k < count - 1 and not is_warm)
        is_unknown = not has_bound and np.isnan(bound)
        assert (is_unknown or angle <= bound + 3e-7) and angle < 1e-3
    assert np.abs(found["components"] - exact.components_).max() < 1e-3  # signs too
