"""Matrices with prescribed eigenvalues, dense references to compare with (plain numpy, float64
or wider), agreement over ranks, and operators built from files as ``fit`` builds them.
"""

import numpy as np


def power_law(d, power=1.0):
    """λ_k = (k+1)^−power: a full-rank tail."""
    return (np.arange(d) + 1.0) ** -power


def exponential(d, ratio=0.8):
    """λ_k = ratio^k."""
    return ratio ** np.arange(d)


def clusters(d, size=3, spread=1e-3):
    """Groups of ``size`` eigenvalues a relative ``spread`` apart, each group at 0.6 of the one
    before.
    """
    k = np.arange(d)
    return 0.6 ** (k // size) * (1 - spread * (k % size))


def double(d):
    """Every eigenvalue of an exponential spectrum twice, exactly."""
    return 0.7 ** (np.arange(d) // 2)


def deficient(d, rank):
    """A power law cut off: eigenvalues from number ``rank`` on are exactly zero."""
    return np.where(np.arange(d) < rank, power_law(d, 0.5), 0.0)


def rotation(d, seed):
    """A random orthogonal matrix (d, d)."""
    q, r = np.linalg.qr(np.random.default_rng([seed, d]).standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def covariance(values, seed=0):
    """Return Σ = V·diag(values)·Vᵀ, symmetric to the last bit, and its eigenvectors as rows."""
    vectors = rotation(len(values), seed).T
    sigma = (vectors.T * values) @ vectors
    return (sigma + sigma.T) / 2, vectors


def data_rows(values, n, seed=0, mean=0.0):
    """Rows (n, d) whose sample covariance has exactly the eigenvalues ``values`` (at most n−1 of
    them not zero).

    Y = sqrt(n−1)·U·diag(sqrt(values))·Vᵀ + 1·meanᵀ, the columns of U orthonormal and orthogonal to
    1.
    """
    d = len(values)
    rank = min(d, n - 1)
    assert not np.any(values[rank:]), "more eigenvalues than rows can carry"
    start = np.random.default_rng([seed, n, d]).standard_normal((n, rank + 1))
    start[:, 0] = 1
    left = np.linalg.qr(start)[0][:, 1:]
    return np.sqrt(n - 1) * (left * np.sqrt(values[:rank])) @ rotation(d, seed).T[:rank] + mean


def dense_covariance(rows):
    """Sample covariance (d, d) float64 and mean (d) of rows of any type, centred in extended
    precision.
    """
    wide = rows.astype(np.longdouble)
    from_first = wide - wide[0]  # exact for 64-bit integers; a sum of them would not be
    mean = from_first.mean(axis=0)
    centred = (from_first - mean).astype(np.float64)
    return centred.T @ centred / (len(rows) - 1), (wide[0] + mean).astype(np.float64)


def leading(sigma, count):
    """The ``count`` largest eigenvalues of Σ and their eigenvectors as rows, by
    ``numpy.linalg.eigh``.
    """
    values, vectors = np.linalg.eigh(sigma)
    return values[::-1][:count], vectors[:, ::-1].T[:count]


def sine(vector, subspace):
    """Sine of the angle between a unit vector and the span of orthonormal rows; accurate for
    small angles.
    """
    rest = vector - subspace.T @ (subspace @ vector)
    return float(np.linalg.norm(rest))


def agreed_assert(comm, condition, message):
    """Assert on all ranks what each found out for itself: one failing alone would leave the
    others waiting. Collective.
    """
    failed = {
        rank: text
        for rank, text in enumerate(comm.allgather(None if condition else message))
        if text
    }
    assert not failed, f"on ranks {list(failed)}: {next(iter(failed.values()))}"


class Findings:
    """What one rank finds wrong, agreed on at the end: one collective for many comparisons."""

    def __init__(self, comm):
        self.comm, self.wrong = comm, []

    def equal(self, found, expected, what):
        """Note where arrays differ in shape or in any entry."""
        self.that(found.shape == expected.shape and np.array_equal(found, expected), what)

    def that(self, condition, what):
        """Note what does not hold."""
        if not condition:
            self.wrong.append(what)

    def agree(self):
        """Assert that no rank found anything wrong. Collective."""
        agreed_assert(self.comm, not self.wrong, ", ".join(self.wrong[:5]))


def grids(size):
    """Every (W, S) with W·S = size."""
    return [(groups, size // groups) for groups in range(1, size + 1) if size % groups == 0]


def write_shards(folder, **parts):
    """Make a folder with a file NAME.h5 for every NAME=rows."""
    import h5py

    folder.mkdir()
    for name, part in parts.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["X"] = part


def write(comm, path, *parts, chunks=None):
    """The root writes each of ``parts`` as a file of its own; return their names on all ranks."""
    import h5py

    names = [f"{path}/part{number}.h5" for number in range(len(parts))]
    if comm.rank == 0:
        for name, rows in zip(names, parts):
            with h5py.File(name, "w") as file:
                file.create_dataset("x", data=rows, chunks=chunks)
    comm.Barrier()
    return names


def build(
    exchange, kind, names, double=False, kernels=None, *, threads=1, sample_rows=64, reading=None
):
    """The operator of ``kind`` of the rows in files. Collective."""
    from hpcpca.kernels import plain
    from hpcpca.operators.cost import Plan
    from hpcpca.operators.registry import OPERATORS
    from hpcpca.operators.resources import Resources
    from hpcpca.operators.resumed import Resumed
    from hpcpca.operators.team import Team
    from hpcpca.sources.reading import PLAIN
    from hpcpca.sources.source import open_source

    source = open_source(names, reading or PLAIN)
    plan = Plan(
        kind,
        exchange.grid.shards,
        0,
        0.0,
        0,
        piece_bytes=source.bytes // 7,
        sample_rows=sample_rows,
    )
    resources = Resources(
        source, exchange, exchange.counters, kernels or plain, Team(threads), seed=0
    )
    return OPERATORS[kind].load(resources, double, plan, Resumed())


def images(operator, exchange, panel):
    """Σ·panel in the scaled units of the operator, gathered on all ranks."""
    offsets = exchange.grid.offsets(len(panel))
    return exchange.gather_small(
        operator.apply(panel[exchange.group_columns(offsets)], offsets), offsets
    )


def wrong(operator, exchange, rows, work, is_centred=True):
    """What of Σ, the mean and the total variance is not within rounding: a text, or "".

    Sums of n products in a type with unit eps/2 err like a random walk: sqrt(n)·eps, of
    sqrt(Σ_ii·Σ_jj) by Cauchy–Schwarz; BV adds sqrt(d)·eps. Twice that, for the reference errs in
    the same way. Values that are not ``is_centred`` before they are multiplied err by their size.
    """
    images(
        operator, exchange, np.eye(1, rows.shape[1])
    )  # a streaming operator measures mean and scale on the first pass
    exponent = operator.exponent // 2
    sigma, mean = dense_covariance(np.ldexp(rows.astype(np.longdouble), -exponent))
    deviations = np.sqrt(np.diag(sigma) + (0 if is_centred else mean**2))
    eps = 2 * (np.sqrt(len(rows)) + np.sqrt(rows.shape[1])) * np.finfo(work).eps
    random = np.random.default_rng(0).standard_normal((5, rows.shape[1]))
    for panel in (np.eye(rows.shape[1]), random, random[:1]):
        excess = np.abs(images(operator, exchange, panel) - panel @ sigma) / (
            np.abs(panel) @ np.outer(deviations, deviations) + 1e-300
        )
        if not excess.max() <= eps:
            return f"Σ off by {excess.max():.1e} > {eps:.1e}"
    if not abs(operator.total_variance / np.trace(sigma) - 1) <= eps:
        return f"total variance {operator.total_variance} instead of {np.trace(sigma)}"
    # the mean errs by the rounding of its own digits, and by sqrt(n)·eps of what is summed:
    # deviations from the shift
    off = np.abs(np.ldexp(operator.mean, -exponent) - mean)
    if not (off <= 2 * np.finfo(np.float64).eps * np.abs(mean) + eps * deviations).all():
        return f"mean off by {(off / np.maximum(deviations, 1e-300)).max():.1e} standard deviations"
    return ""
