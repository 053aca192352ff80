"""PowerSGD (Vogels, Karimireddy, Jaggi, NeurIPS 2019, arXiv 1905.13727, Algorithm 1): subspace
iteration on the mean of the workers' matrices, which nobody forms.
"""

from ..errors import UsageError
from .compressor import at_least
from .matrices import Delta, Factors, MatrixCompressor, taken_from
from .vectors import ORTHONORMALISE, refilled, scaled


class PowerSGD(MatrixCompressor):
    """Sends P = MQ and Q = MᵀP̂ of every matrix M, and hands out P̂Qᵀ; with ``warm_start`` the next
    step starts from Q.
    """

    def __init__(
        self, comm, rank=2, warm_start=True, steps=1, orthonormalise="gram-schmidt", **options
    ):
        """Collective. ``steps`` of subspace iteration on each gradient. ``orthonormalise`` P by
        "gram-schmidt" or "cholesky-qr2"; with None its columns are only scaled to length 1.

        ``options``: feedback, start, least and seed, as of ``MatrixCompressor``.
        """
        super().__init__(comm, rank, **options)
        steps = at_least(1, "steps", steps)
        if orthonormalise not in ORTHONORMALISE:
            raise UsageError(
                f"orthonormalise = {orthonormalise!r}: give one of {[*ORTHONORMALISE]}"
            )
        self.warm_start, self.steps, self.orthonormalise = warm_start, steps, orthonormalise
        self._factors = {}

    def _exchange(self, deltas):
        q = [self._start(delta) for delta in deltas]
        for number in range(self.steps):
            if number:
                q = [self._ready(delta, rows, number) for delta, rows in zip(deltas, q)]
            p = self._orthonormal(self.messages.mean(self._products(Delta.right, deltas, q)))
            own = self._products(Delta.left, deltas, p)
            q = self.messages.mean(own)
        return [Factors(*parts) for parts in zip(p, q, map(self._local, own))]

    def _start(self, delta):
        """Return Q of the step before, or random numbers; as many columns as the rank has now."""
        r = self._rank_of(delta.form)
        kept = self._factors.get(delta.name)
        if kept is not None and len(kept) >= r:
            return kept[:r].astype(delta.form.work, copy=False)
        start = self._random(delta, (r, delta.m))
        if kept is not None:
            start[: len(kept)] = kept
        return start

    def _ready(self, delta, rows, number):
        """Return Q for another step: its columns neither too large nor zero."""
        return refilled(scaled(rows), lambda: self._random(delta, rows.shape, number))

    def _orthonormal(self, p):
        with self.tally.part("orthonormalisation"):
            return [ORTHONORMALISE[self.orthonormalise](rows) for rows in p]

    def _held(self):
        return super()._held() + [(name, 1, q.shape[1]) for name, q in self._factors.items()]

    def _keep(self, parts, sent, whole):
        super()._keep(parts, sent, whole)
        if self.warm_start:
            for delta, mean in zip(parts, sent):
                self._factors[delta.name] = self._ready(delta, mean.q, self.steps)

    def state(self):
        """As of ``MatrixCompressor``, and the factors Q that the next step starts from."""
        return super().state() | {f"factors/{name}": q for name, q in self._factors.items()}

    def restore(self, state):
        """As of ``Compressor``."""
        super().restore(state)
        self._factors = taken_from(state, "factors/")
