"""The sizes of a regression, for the cost model, and the memory of what any way to hold S takes
besides.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import UsageError
from ..operators.cost import LARGEST_PIECE, Job, of_settings, share_bytes
from ..options import AUTO
from .tiles import STRIP, rows_at_once

PAIR_GRAMS = 3  # G before and after a round, gathered, and the root's
EIGH_FLOPS = 9  # times d³: all eigenvalues and vectors


@dataclass(frozen=True, kw_only=True)
class PairSizes:
    """Of data that are not there yet: what ``job_of`` asks of them."""

    n: int | None  # None for a joint covariance
    inputs: int
    d: int  # targets
    dtype: np.dtype
    row_bytes: int
    chunk_bytes: int = 0

    @property
    def types(self):
        """Those of the values of both sides."""
        return [self.dtype]

    @classmethod
    def of(cls, n, inputs, targets, dtype):
        """Return those of rows of one type."""
        row_bytes = (inputs + targets) * dtype.itemsize
        return cls(n=n, inputs=inputs, d=targets, dtype=dtype, row_bytes=row_bytes)


@dataclass(frozen=True, kw_only=True)
class PairJob(Job):
    """Sizes that costs depend on; ``d`` is the number of targets."""

    inputs: int
    pair_bytes: int  # of a row of both, as it is in the files
    with_targets: bool  # whether the targets' own covariance is needed
    with_inputs: bool = True  # whether the inputs' is
    chooses: bool = False  # whether the number of pairs is to be chosen first
    counts: ClassVar[str] = "pairs"

    @property
    def rows(self):
        """Of the data; of a joint covariance as many as it has columns."""
        return self.n or self.inputs + self.d

    @property
    def row_bytes(self):
        """Of the files' types."""
        return self.pair_bytes

    @property
    def joined(self):
        """The job of rows that are those of X and Y side by side."""
        return replace(self, d=self.inputs + self.d)

    @property
    def title(self):
        """Sizes and type, in words."""
        return f"{self.rows} × ({self.inputs} inputs + {self.d} targets) {self.dtype}"


def job_of(settings, data, panel, machine):
    """Return the ``PairJob`` of a regression of ``data`` with ``panel`` vectors."""
    return PairJob(
        n=data.n,
        d=data.d,
        inputs=data.inputs,
        pair_bytes=data.row_bytes,
        with_targets=settings.whiten == "both",
        with_inputs=settings.whiten != "none",
        chooses=settings.components == AUTO,
        dtype=data.dtype,
        chunk_bytes=data.chunk_bytes,
        **of_settings(settings, panel, machine),
        grams=PAIR_GRAMS if settings.deflation == "pairs" else 0,
    )


def most_pairs(settings, data):
    """Return how many pairs ``data`` have, by their sizes; raise UsageError if more are asked
    for.
    """
    counts = {"inputs": data.inputs, "targets": data.d}
    if not settings.covariance:
        kept = not settings.no_centre
        counts["rows less their mean" if kept else "rows"] = data.n - kept
    least = min(counts, key=counts.get)
    if settings.components != AUTO and settings.components > counts[least]:
        raise UsageError(
            f"{settings.typed('components')} {settings.components}: the data have at most"
            f" {counts[least]} pairs ({counts[least]} {least}); ask for {counts[least]} or fewer"
        )
    return counts[least]


def choosing_bytes(job):
    """Of memory per node while R is chosen: sums over the rows that are fitted and over those kept
    back, and R² of all pairs from them.
    """
    d, q = job.inputs, job.d
    sums, most = 8 * d * (d + q), min(d, q)
    # factors and pairs, and the other sums in the units of these
    solving = 8 * (4 * d * d + 3 * d * q + 4 * q * most + 2 * most * most + d * most) + 2 * sums
    return 2 * sums + max(summing_bytes(job, sums), solving)


def summing_bytes(job, sums):
    """Of memory per node while rows are read: ``sums`` bytes, a tile and pieces of each rank."""
    d, q = job.inputs, job.d
    item = job.work.itemsize
    tile = rows_at_once(d, q, item, 1) * (d + q) * item + min(2 * STRIP, 8 * d * max(d, q))
    pieces = 0
    if job.n:
        pieces = 2 * max(min(LARGEST_PIECE, share_bytes(job, job.ranks)), job.chunk_bytes)
    return job.ranks_on_node * (sums + tile + pieces)


def predicting_bytes(job):
    """Of memory per node while R² is measured: every rank has all inputs or all components, its
    own of both, and three small products.
    """
    whole, own = job.panel, -(-job.panel // job.ranks)
    width = job.inputs + job.d
    return 8 * job.ranks_on_node * (whole * max(job.inputs, job.d) + 3 * whole**2 + 3 * own * width)
