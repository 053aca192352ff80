"""One scikit-learn PCA as its users run it: python -m hpcpca.bench.sklearn_pca SOLVER K OUT.npy DATA…"""

import sys

import h5py
import numpy as np

from ..io.source import open_source

SOLVERS = {
    "covariance_eigh": {"svd_solver": "covariance_eigh"},
    "full": {"svd_solver": "full"},
    "arpack": {"svd_solver": "arpack"},
    "randomized": {"svd_solver": "randomized"},
    "randomized-20": {"svd_solver": "randomized", "iterated_power": 20},
}


def main(solver, components, out, *data):
    """Read DATA, fit, save the components (K, d)."""
    from sklearn.decomposition import PCA

    source = open_source(data)
    rows = np.empty((source.n, source.d), np.float64 if source.dtype.itemsize == 8 else np.float32)
    done = 0
    for part in source.parts:
        with h5py.File(part.path) as file:
            file[part.dataset].read_direct(rows, dest_sel=np.s_[done:done + part.rows])
        done += part.rows
    np.save(out, PCA(int(components), random_state=0, **SOLVERS[solver]).fit(rows).components_)


if __name__ == "__main__":
    main(*sys.argv[1:])
