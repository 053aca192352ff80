"""Statistics of automatic differentiation in place of gradients (arXiv 2102.09631): dAD, which is
exact, and rank-dAD, which sends the leading pairs of singular vectors.

The gradient of a dense layer on a batch of N is G = DᵀA/N for its inputs A (N, m) and the
derivatives D (N, n) of the loss by its outputs. Workers send A and D, or pairs found from them.
"""

from dataclasses import dataclass

import numpy as np

from ..comm.messages import is_finite
from ..errors import DataError, UsageError
from .compressor import Compressor
from .tensors import Form, as_array, form_of

ITERATIONS = 100  # of subspace iteration at most, where the batch is larger than the layer
SVD = 14  # times n·m·min(n, m): flops of LAPACK's


@dataclass(frozen=True)
class LayerForm(Form):
    """Form of a layer's gradient; the number of rows of its statistics may differ."""

    def zeros(self):
        """Statistics of no examples."""
        n, m = self.shape
        return Layer(np.zeros((0, n), self.dtype), np.zeros((0, m), self.dtype))


class Layer:
    """Statistics of a dense layer: derivatives D (N, n), scaled so that G = DᵀA, and inputs A
    (N, m).
    """

    def __init__(self, derivatives, inputs):
        self.d, self.a = derivatives, inputs
        self.form = LayerForm((self.d.shape[1], self.a.shape[1]), self.d.dtype)

    @classmethod
    def taken(cls, name, derivatives, inputs):
        """Return statistics as a user hands them in, checked; raise DataError."""
        d, a = as_array(name, derivatives), as_array(name, inputs)
        if d.ndim != 2 or a.ndim != 2 or len(d) != len(a):
            raise DataError(
                f"statistics of '{name}' are {d.shape} and {a.shape}; hand in derivatives by"
                " outputs (N, n) and inputs (N, m), a row each for every example (and time step)"
            )
        work = form_of(d).work
        if form_of(a).work != work:
            raise DataError(f"statistics of '{name}' are of types {d.dtype} and {a.dtype}")
        return cls(d.astype(work) / work.type(max(1, len(d))), np.asarray(a, work))

    def is_finite(self):
        """Whether neither has NaN or infinities."""
        return is_finite(self.d) and is_finite(self.a)


@dataclass
class _Part:
    name: str
    form: LayerForm
    layer: Layer


@dataclass
class _Sum:
    """A mean of DᵀA over workers, from everybody's D and A."""

    d: list
    a: list

    def settle(self, part, out):
        """Write the mean to ``out`` (n, m)."""
        d, a = np.concatenate(self.d), np.concatenate(self.a)
        out[...] = (d / d.dtype.type(len(self.d))).T @ a


class DAD(Compressor):
    """Sends a layer's statistics, N·(n + m) numbers of each worker, in place of n·m: exact."""

    def __init__(self, comm):
        """Collective."""
        super().__init__(comm)

    def _taken(self, name, tensor):
        if isinstance(tensor, tuple):
            if len(tensor) != 2:
                raise DataError(f"statistics of '{name}' are {len(tensor)} arrays; hand in (D, A)")
            return Layer.taken(name, *tensor)
        return super()._taken(name, tensor)

    def _form(self, value):
        return value.form if isinstance(value, Layer) else super()._form(value)

    def _part_of(self, name, value):
        return _Part(name, value.form, value) if isinstance(value, Layer) else None

    def _exchange(self, parts):
        self._refuse_unless(all(part.layer.is_finite() for part in parts))
        return self._gathered([part.layer.d for part in parts], [part.layer.a for part in parts])

    def _gathered(self, d, a):
        """Means from everybody's rows d[i] (·, n) and a[i] (·, m)."""
        rows = self.messages.gather_rows([*d, *a])
        return [_Sum(*both) for both in zip(rows[: len(d)], rows[len(d) :])]


class RankDAD(DAD):
    """Sends the leading pairs of singular vectors of a layer's gradient, at most r, those whose
    singular values are above ``threshold`` times the first.

    ``effective_rank`` {name: int array (W,)} has how many they were on each worker in the last
    step. Exact if r ≥ N and ``threshold`` is 0.
    """

    def __init__(self, comm, rank=10, threshold=1e-3, tolerance=1e-6, seed=0):
        """Collective. ``tolerance``: how far singular values may still move between two steps of
        the iteration, of the first.
        """
        super(DAD, self).__init__(comm, rank, seed)
        if not 0 <= threshold < 1:
            raise UsageError(f"threshold = {threshold}: give a share, from 0 to below 1")
        self.threshold, self.tolerance, self.effective_rank = threshold, tolerance, {}

    def _exchange(self, parts):
        self._refuse_unless(all(part.layer.is_finite() for part in parts))
        with self.tally.part("products"):
            pairs = [self._pairs(part) for part in parts]
        return self._gathered([b for b, _ in pairs], [c for _, c in pairs])

    def _keep(self, parts, sent, whole):
        for part, mean in zip(parts, sent):
            self.effective_rank[part.name] = np.array([len(rows) for rows in mean.d])

    def _pairs(self, part):
        """Return σ_j b_j (r′, n) and c_j (r′, m), the leading singular triplets of DᵀA."""
        layer, (n, m) = part.layer, part.form.shape
        if not len(layer.d) or not layer.is_finite():  # the latter is told to all instead
            return layer.d[:0], layer.a[:0]
        batch, vectors = len(layer.d), min(n, m, self.rank + 2)
        if batch <= min(n, m):
            b, sizes, c = by_qr(layer.d, layer.a)
        elif (
            2 * batch * n * m + SVD * n * m * min(n, m) < ITERATIONS * 4 * batch * (n + m) * vectors
        ):
            b, sizes, c = by_svd(layer.d, layer.a)
        else:
            rows = self._random(part, (vectors, n))
            b, sizes, c = by_iteration(layer.d, layer.a, rows, self.tolerance)
        count = int(np.sum(sizes[: self.rank] > self.threshold * sizes[0]))
        return sizes[:count, None] * b[:count], c[:count]


def by_qr(d, a):
    """Return all singular triplets of DᵀA, b (N, n), sizes (N,) and c (N, m), without forming it:
    QR of Dᵀ and Aᵀ, singular values of R_D R_Aᵀ. For N ≤ min(n, m).
    """
    (qd, rd), (qa, ra) = np.linalg.qr(d.T), np.linalg.qr(a.T)
    u, sizes, vt = np.linalg.svd(rd @ ra.T)
    return (qd @ u).T, sizes, vt @ qa.T


def by_svd(d, a):
    """Return all singular triplets of DᵀA as ``by_qr``, by forming it: 2N·n·m flops, and those of
    LAPACK's. For small layers and large batches.
    """
    u, sizes, vt = np.linalg.svd(d.T @ a, full_matrices=False)
    return u.T, sizes, vt


def by_iteration(d, a, start, tolerance):
    """Return leading singular triplets of DᵀA as ``by_qr``, as many as ``start`` (r, n) has rows,
    by subspace iteration x ↦ Dᵀ(A(Aᵀ(D x))), 4N(n + m) flops a vector.
    """
    b, before = start, np.full(len(start), np.inf)
    for number in range(ITERATIONS):
        b = np.linalg.qr(b.T)[0].T
        u, sizes, c = np.linalg.svd((b @ d.T) @ a, full_matrices=False)
        moved = np.abs(sizes - before).max()
        if moved <= tolerance * sizes[0] or number == ITERATIONS - 1:
            return u.T @ b, sizes, c
        b, before = (c @ a.T) @ d, sizes
