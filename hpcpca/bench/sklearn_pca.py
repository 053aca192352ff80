"""One scikit-learn PCA as its users run it: python -m hpcpca.bench.sklearn_pca SOLVER K OUT.npy
DATA…
"""

import sys

import h5py
import numpy as np

from ..sources.contents import MEMBERS
from ..sources.source import open_source

SOLVERS = {
    "covariance_eigh": {"svd_solver": "covariance_eigh"},
    "randomized": {"svd_solver": "randomized"},
    "arpack": {"svd_solver": "arpack"},
    "IncrementalPCA": {},
}
OF_SPARSE = ("covariance_eigh", "arpack")  # that take sparse rows
BATCH_BYTES = 256 << 20  # IncrementalPCA's default, 5·d rows, is all of a wide matrix


def read_all(source, dtype):
    """All rows in memory, as ``dtype``."""
    rows, done = np.empty((source.n, source.d), dtype), 0
    for part in source.parts:
        with h5py.File(part.path) as file:
            file[part.dataset].read_direct(rows, dest_sel=np.s_[done : done + part.rows])
        done += part.rows
    return rows


def read_stored(source, dtype):
    """All rows of a sparse matrix in memory, as scipy has them."""
    from scipy.sparse import csr_matrix, vstack

    found = []
    for part in source.parts:
        with h5py.File(part.path) as file:
            members = [file[f"{part.dataset}/{name}"][...] for name in MEMBERS]
        members[0] = members[0].astype(dtype, copy=False)
        found.append(csr_matrix(tuple(members), shape=(part.rows, source.d)))
    return found[0] if len(found) == 1 else vstack(found, "csr")


def batches(source, dtype, components):
    """Yield the rows batch by batch; a rest too short for a batch goes with the one before it."""
    size = max(components, min(5 * source.d, BATCH_BYTES // (source.d * np.dtype(dtype).itemsize)))
    for part in source.parts:
        with h5py.File(part.path) as file:
            starts = list(range(0, max(1, part.rows - components + 1), size))
            for start, stop in zip(starts, [*starts[1:], part.rows]):
                yield file[part.dataset][start:stop].astype(dtype)


def main(solver, components, out, *data):
    """Read DATA, fit, save the components (K, d)."""
    from sklearn.decomposition import PCA, IncrementalPCA

    source, components = open_source(data), int(components)
    dtype = np.float64 if source.dtype.itemsize == 8 else np.float32
    if solver == "IncrementalPCA":
        model = IncrementalPCA(components)
        for rows in batches(source, dtype, components):
            model.partial_fit(rows)
    else:
        read = read_all if source.stored is None else read_stored
        model = PCA(components, random_state=0, **SOLVERS[solver]).fit(read(source, dtype))
    np.save(out, model.components_)


if __name__ == "__main__":
    main(*sys.argv[1:])
