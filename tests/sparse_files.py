"""Sparse matrices in files, as anndata and 10x write them."""

import h5py
import numpy as np


def compressed(matrix, order=lambda entries: entries):
    """(data, indices, indptr) of the rows of a matrix, the entries of a row in this order."""
    data, indices, ends = [], [], [0]
    for row in matrix:
        entries = order(np.flatnonzero(row))
        indices += entries.tolist()
        data += row[entries].tolist()
        ends.append(len(data))
    return np.array(data), np.array(indices), np.array(ends)


def write(path, matrix, kind="csr_matrix", dtype="f4", *, group="X", parts=None, index="i4"):
    """A group as anndata writes it, or (kind None) as 10x does: features × cells, in CSC."""
    rows = matrix.T if kind == "csc_matrix" else matrix
    data, indices, ends = parts or compressed(rows)
    shape = matrix.shape if kind else matrix.shape[::-1]
    with h5py.File(path, "a") as file:
        made = file.create_group(group)
        made.create_dataset("data", data=data.astype(dtype), compression="gzip")
        made.create_dataset("indices", data=indices.astype(index))
        made["indptr"] = ends.astype("i4")
        if kind:
            made.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0", "shape": shape})
        else:
            made["shape"] = np.array(shape)
    return str(path)
