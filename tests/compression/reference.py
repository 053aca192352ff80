"""Plain numpy on matrices that nobody has to send: what compressors are compared with."""

import numpy as np


def matrix_of(decay, shape, seed):
    """A matrix (n, m) with singular values ``decay``(k), random directions, full rank."""
    rng = np.random.default_rng([seed, *shape])
    r = min(shape)
    u = np.linalg.qr(rng.standard_normal((shape[0], r)))[0]
    v = np.linalg.qr(rng.standard_normal((shape[1], r)))[0]
    return (u * decay(np.arange(r))) @ v.T


def best(matrix, r):
    """The best approximation of rank r, by a dense SVD."""
    u, sizes, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :r] * sizes[:r]) @ vt[:r]


def shared_out(matrix, comm, dtype, seed=0):
    """This worker's of matrices whose mean is ``matrix``: noise that cancels comes on top."""
    noise = np.random.default_rng(seed).standard_normal((comm.size, *matrix.shape))
    noise -= noise.mean(axis=0)
    return (matrix + noise[comm.rank] * np.abs(matrix).mean()).astype(dtype)


def mean_of(comm, array):
    """The mean over workers, in float64."""
    return comm.allreduce(np.asarray(array, np.float64)) / comm.size


def power_sgd(steps, q, r):
    """P̂Qᵀ after each of ``steps`` (a list of mean matrices), with aggregated feedback and warm
    start; q (m, r) is the first Q.
    """
    owed, found = 0.0, []
    for mean in steps:
        delta = mean + owed
        p = np.linalg.qr(delta @ q)[0]
        q = delta.T @ p
        found.append(p @ q.T)
        owed = delta - found[-1]
    return found
