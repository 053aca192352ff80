"""scanpy's PCA as its users run it: python -m hpcpca.bench.scanpy_pca K OUT.npy FILE.h5ad:X"""

import sys

import numpy as np


def main(components, out, data):
    """Read the file, fit with scanpy's defaults, save the components (K, d)."""
    import scanpy

    cells = scanpy.read_h5ad(data.rpartition(":")[0])
    scanpy.pp.pca(cells, n_comps=int(components))
    np.save(out, cells.varm["PCs"].T)


if __name__ == "__main__":
    main(*sys.argv[1:])
