"""SLEPc's SVD as its users run it: mpiexec -n R python3 slepc_svd.py JOB.json, with slepc4py,
h5py and numpy only.

The job holds the file set [[path, dataset, rows], …], the number of columns d and of components K,
tol, and the .npy to write.
"""

import json
import sys

import h5py
import numpy as np


def shard(files, columns, first, last):
    """Rows first..last−1 of the file set: (r, d) float64, by columns as PETSc's dense matrices
    are.
    """
    rows, begin = np.empty((last - first, columns), order="F"), 0
    for path, dataset, count in files:
        start, stop = max(first, begin), min(last, begin + count)
        if start < stop:
            with h5py.File(path, "r") as file:
                rows[start - first : stop - first] = file[dataset][start - begin : stop - begin]
        begin += count
    return rows


def main(job):
    """Read, centre the columns by hand, solve (``cross``: the eigenproblem of AᵀA), write the
    right singular vectors.
    """
    import slepc4py

    slepc4py.init([])
    from petsc4py import PETSc
    from slepc4py import SLEPc

    with open(job, encoding="utf-8") as file:
        job = json.load(file)
    files, columns, count = job["files"], job["columns"], job["components"]
    comm = PETSc.COMM_WORLD
    n = sum(rows for _, _, rows in files)
    first, last = comm.rank * n // comm.size, (comm.rank + 1) * n // comm.size
    rows = shard(files, columns, first, last)
    matrix = PETSc.Mat().createDense(
        ((last - first, n), (PETSc.DECIDE, columns)), array=rows, comm=comm
    )
    matrix.assemble()
    left, right = matrix.createVecs(side="left"), matrix.createVecs(side="right")
    left.set(1.0 / n)
    matrix.multTranspose(left, right)
    to_all, mean = PETSc.Scatter.toAll(right)
    to_all.scatter(right, mean)
    rows -= mean.getArray()
    matrix.assemble()

    svd = SLEPc.SVD().create(PETSc.COMM_WORLD)
    svd.setOperator(matrix)
    svd.setType(SLEPc.SVD.Type.CROSS)
    svd.setDimensions(count)
    svd.setTolerances(tol=job["tol"])
    svd.solve()

    to_first, whole = PETSc.Scatter.toZero(right)
    found = []
    for number in range(min(count, svd.getConverged())):
        svd.getSingularTriplet(number, left, right)
        to_first.scatter(right, whole)
        found.append(whole.getArray().copy())
    if comm.rank == 0:
        np.save(job["out"], np.array(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
