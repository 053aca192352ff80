"""Finding files that packages ship, fitting them, and what the results are compared with."""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import run

NEAR = 1e-6


def found(pattern):
    """The file of this name in an installed package, or in $HPCPCA_REAL_FILES."""
    for folder in (os.environ.get("HPCPCA_REAL_FILES"), *sys.path):
        if folder and (paths := sorted(Path(folder).glob(pattern))):
            return str(paths[0])
    package = pattern.partition("/")[0].rstrip("-*")
    return pytest.skip(f"{package} is neither installed nor in $HPCPCA_REAL_FILES")


def fitted(out, *words):
    """The datasets of a result; ``words`` are data and options of ``fit``. It is verified."""
    options = [str(word) for word in words]
    data = options[: next(n for n, word in enumerate(options) if word.startswith("-"))]
    run(0, "fit", *options, "--tol", 1e-10, "-o", out, "-q").ok()
    run(0, "verify", out, *data).ok()
    with h5py.File(out) as file:
        return {name: each[...] for name, each in file.items() if isinstance(each, h5py.Dataset)}


def check(result, eigenvalues, vectors, near=NEAR):
    """A result has these leading eigenpairs."""
    count = len(result["components"])
    np.testing.assert_allclose(result["explained_variance"], eigenvalues[:count], rtol=near)
    vectors = vectors[:count] / np.linalg.norm(vectors[:count], axis=1, keepdims=True)
    signs = np.sign((result["components"] * vectors).sum(axis=1))[:, None]
    differences = np.linalg.norm(signs * result["components"] - vectors, axis=1)
    assert differences.max() < near


def by_numpy(rows):
    """Eigenvalues and eigenvectors of the covariance of rows, by numpy's SVD."""
    deviations = np.asarray(rows, float) - np.mean(rows, axis=0, dtype=float)
    _, singular, vectors = np.linalg.svd(deviations, full_matrices=False)
    return singular**2 / (len(rows) - 1), vectors


def values(path, name):
    """A dataset of a file, as float64, samples first and the rest flat."""
    with h5py.File(path) as file:
        array = file[name][...].astype(float)
    return array.reshape(len(array), -1)


def dense(path, name, shape):
    """A sparse matrix of a file, in full; ``shape`` is that of its compressed rows."""
    full = np.zeros(shape)
    with h5py.File(path) as file:
        data, indices, ends = (file[name][each][...] for each in ("data", "indices", "indptr"))
    for row, (start, stop) in enumerate(zip(ends, ends[1:])):
        full[row, indices[start:stop]] = data[start:stop]
    return full


def counts(rows):
    """Of counts in cells: 10,000 in each, and log(1 + x)."""
    sums = rows.sum(axis=1, keepdims=True)
    return np.log1p(rows * 1e4 / np.where(sums == 0, 1, sums))


def listed(path, *words):
    """Whether ``info`` says all that of a file."""
    said = run(0, "info", path).ok().stdout
    assert all(word in said for word in words), said
