"""Signs and one length (as compared with in arXiv 1905.13727; signSGD with error feedback)."""

import numpy as np

from .matrices import Entries, MatrixCompressor


class SignNorm(MatrixCompressor):
    """Sends a bit for the sign of each entry, and the mean magnitude; ``rank`` has no effect."""

    def __init__(self, comm, feedback="local", **options):
        """Collective. ``options``: start, least and seed, as of ``MatrixCompressor``."""
        super().__init__(comm, 1, feedback=feedback, **options)

    def _exchange(self, deltas):
        whole = self._sums(deltas)
        with self.tally.part("selection"):
            own = np.array([np.abs(array).mean(dtype=np.float64) for array in whole])
            bits = [np.packbits(array >= 0) for array in whole]
        (sizes,) = self.messages.gather([own])
        signs = self.messages.gather(bits)
        return [
            Entries(_mean(delta, sizes[:, i], signs[i]), self._own(delta, own[i], bits[i]))
            for i, delta in enumerate(deltas)
        ]

    def _own(self, delta, size, bits):
        return _mean(delta, [size], [bits]) if self.feedback == "local" else None


def _mean(delta, sizes, signs):
    """Return the mean of ±size over workers, (n, m)."""
    total = np.zeros(delta.n * delta.m, delta.form.work)
    for size, bits in zip(sizes, signs):
        size = total.dtype.type(size)
        total += np.where(np.unpackbits(bits, count=total.size).view(bool), size, -size)
    return (total / len(sizes)).reshape(delta.n, delta.m)
