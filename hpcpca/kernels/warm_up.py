"""Compiles kernels once per machine, before many ranks need them at once."""

import numpy as np

from . import convert, machine_code, moments, panel, sparse, store


def compilations(dtype):
    """Yield calls of all kernels that data of ``dtype`` need: each has one compiled,
    or loaded if it was before.
    """
    rows, row = np.ones((3, 2), dtype), np.ones(2, dtype)
    exact = dtype.kind in "iu" and dtype.itemsize == 8
    for work in (np.float32, np.float64) if dtype.itemsize <= 4 else (np.float64,):
        shift, one = row if exact else row.astype(work), np.dtype(work).type(1)
        tile = np.ones((3, 2), work)
        yield lambda: convert.scaled_deviations(rows, shift, one, tile)
        yield lambda: moments.accumulate(tile, 0, np.zeros(2), np.zeros(2))
        yield lambda: moments.add_sums(tile, np.zeros((2, 2)))
        yield lambda: panel.gram_product(tile, tile, np.zeros((3, 2)))
        for vectors in tile[:1], tile[:2]:
            yield lambda vectors=vectors: panel.shifted_gram_product(
                rows, shift, one, vectors, tile, np.zeros((len(vectors), 2))
            )
        yield lambda: panel.add_to(np.zeros((3, 2)), tile)
    yield lambda: moments.merge(1, np.zeros(2), np.zeros(2), 1, np.zeros(2), np.zeros(2))


def sparse_compilations(held):
    """Yield calls of the kernels for sparse rows that are ``held`` as float32 or float64, in tiles
    of less than 2¹⁶ rows.
    """
    values, ordered, ends = np.ones(3, held), np.ones(3, held), np.array([0, 2, 3])
    indices, rows, heads = np.array([0, 1, 0], "i4"), np.zeros(3, "u2"), np.zeros(3, "i4")
    yield lambda: sparse.by_columns(values, indices, ends, heads, rows, ordered)
    yield lambda: sparse.sparse_sums(values, heads, np.zeros(2), np.zeros((3, 2)))
    for work in ("f4", "f8") if held.itemsize == 4 else ("f8",):
        vectors, sums, part, out = (np.ones((3, 4), kind) for kind in (work, work, work, "f8"))
        yield lambda: sparse.sparse_gram_product(
            values, rows, heads, vectors, sums[:2], part[0], out
        )


def _marker(dtype, is_sparse):
    """File of the store that says: the kernels for this type are in it."""
    return machine_code.name_of("sparse" if is_sparse else "dense", np.dtype(dtype).str)


def is_warm(dtype, is_sparse=False):
    """Whether the kernels for ``dtype`` were compiled here before; a wrong yes costs time only."""
    return store.read(_marker(dtype, is_sparse)) is not None


def warm_up(dtype, halt=lambda: False, is_sparse=False):
    """Compile or load the kernels for ``dtype``, or for sparse rows that are held in it, and say
    so to those who come later; end early where ``halt()`` says so.
    """
    for call in (sparse_compilations if is_sparse else compilations)(np.dtype(dtype)):
        if halt():
            return
        call()
    store.write(_marker(dtype, is_sparse), b"")
