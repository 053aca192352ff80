"""What kernels make of some numbers: ``python outcomes.py KIND`` prints digests, and whether Numba
was imported.
"""

import hashlib
import sys

import numpy as np

from hpcpca.kernels import convert, decimals, low_rank, moments, panel, sparse

KINDS = ("uint8", "float16", "uint64", "sparse", "low_rank", "decimals")


def dense(dtype):
    """Yield arrays that the kernels for rows of a type fill."""
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 200, (37, 45)).astype(dtype)
    for work in (np.float32, np.float64) if dtype.itemsize <= 4 else (np.float64,):
        shift = rows[0] if dtype.kind == "u" and dtype.itemsize == 8 else rows[0].astype(work)
        scale, tile = work(0.01), np.empty(rows.shape, work)
        convert.scaled_deviations(rows, shift, scale, tile)
        yield tile
        mean, squares, sums = np.ones(45), np.ones(45), np.ones((2, 45))
        moments.accumulate(tile, 7, mean, squares)
        moments.add_sums(tile, sums)
        yield from (mean, squares, sums)
        for m in (1, 7):
            vectors = rng.standard_normal((m, 45)).astype(work)
            out = np.zeros((m, 45))
            panel.shifted_gram_product(rows, shift, scale, vectors, tile, out)
            yield out


def of_sparse():
    """Yield arrays that the kernels for sparse rows fill."""
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 9, 30)
    ends = np.concatenate([[0], np.cumsum(counts)])
    values = rng.standard_normal(ends[-1]).astype("f4")
    indices = rng.integers(0, 12, ends[-1]).astype("i4")
    heads, rows, ordered = np.empty(13, "i4"), np.empty(len(values), "u2"), np.empty_like(values)
    sparse.by_columns(values, indices, ends, heads, rows, ordered)
    yield from (heads, rows, ordered)
    sums = np.zeros((3, 12))
    sparse.sparse_sums(ordered, heads, rng.standard_normal(12), sums)
    yield sums
    vectors, out = rng.standard_normal((13, 5)).astype("f4"), np.zeros((13, 5))
    scratch, part = np.empty((30, 5), "f4"), np.empty(5, "f4")
    sparse.sparse_gram_product(ordered, rows, heads, vectors, scratch, part, out)
    yield out


def of_low_rank():
    """Yield arrays that the kernels for products with few vectors fill."""
    rng = np.random.default_rng(7)
    for dtype in ("f4", "f8"):
        g, e, out = (rng.standard_normal((21, 34)).astype(dtype) for _ in range(3))
        p, q = (
            rng.standard_normal((3, 21)).astype(dtype),
            rng.standard_normal((3, 34)).astype(dtype),
        )
        low_rank.right_product(g, e, q, p)
        low_rank.left_product(g, e, p, q)
        low_rank.gram_schmidt(q, 1e-5)
        low_rank.settle(g, e, p, q, q[:0], out)
        yield from (p, q, e, out)
        low_rank.settle(g, e, p, q, q, g)
        low_rank.expand(p, q, out)
        yield from (g, e, out)


def of_decimals():
    """Yield arrays that the kernels for text fill."""
    text = b"1.5, 2e300\nx,7\n0.1,-123456789012345678"
    bounds, out = np.array([[0, 10], [11, 14], [15, len(text)]]), np.zeros((3, 2))
    data = np.frombuffer(text, np.uint8)
    yield decimals.parse(data, bounds, ord(","), np.array([0, 1]), out)
    yield out


def digests(kind):
    """Digests of what the kernels of a kind fill, in words."""
    of_kind = {"sparse": of_sparse, "low_rank": of_low_rank, "decimals": of_decimals}
    arrays = of_kind[kind]() if kind in of_kind else dense(np.dtype(kind))
    return " ".join(hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in arrays)


if __name__ == "__main__":
    print(digests(sys.argv[1]), "numba" in sys.modules)
