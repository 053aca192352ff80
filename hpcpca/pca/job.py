"""The sizes of a fit, for the cost model: one builder for ``fit`` and ``plan``."""

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..operators.cost import Job, of_settings


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the data: ``n`` rows of ``d`` columns, the bytes of the largest chunk's rows, and how
    many values are ``stored`` of sparse rows; why rows are ``unmapped``, if they are.
    """

    n: int
    d: int
    dtype: np.dtype
    chunk_bytes: int = 0
    stored: int | None = None
    unmapped: str = ""

    @property
    def types(self):
        """The type of the values, alone."""
        return [self.dtype]

    @classmethod
    def of(cls, source):
        """Those of a Source."""
        chunk_rows = max(part.chunk_rows for part in source.parts)
        row_bytes = source.d * source.dtype.itemsize
        sizes = {"n": source.n, "d": source.d, "dtype": source.dtype, "stored": source.stored}
        unmapped = source.unmapped
        return cls(**sizes, chunk_bytes=chunk_rows * row_bytes, unmapped=unmapped)


def job_of(settings, sizes, panel, machine):
    """Return the ``Job`` of a fit with ``settings`` and ``panel`` vectors of data of ``sizes``."""
    batches = settings.local_steps or 1
    batch_rows = (settings.batch_rows or 0) * batches
    return Job(
        n=None if settings.covariance else sizes.n,
        d=sizes.d,
        dtype=sizes.dtype,
        chunk_bytes=sizes.chunk_bytes,
        stored=sizes.stored,
        unmapped=sizes.unmapped,
        **of_settings(settings, panel, machine),
        batch_rows=batch_rows,
        batches=batches,
        drawn=batch_rows * settings.max_rounds,
    )


def operator_of(settings):
    """The name of the operator that settings ask for, or "auto"."""
    if settings.covariance:
        return "gram"
    return "mini-batch" if settings.batch_rows else settings.operator


def most_components(settings, n, d):
    """Return how many components rows (n, d), or a covariance (d, d), have; raise UsageError if
    ``settings`` ask for more.
    """
    components, covariance = settings.components, settings.covariance
    most = d if covariance else min(n if settings.no_centre else n - 1, d)
    if components <= most:
        return most
    why = (
        f"a covariance of {d} features has {d}"
        if covariance
        else (
            f"{n} rows of {d} features have min(n−1, d): taking off their mean leaves n−1"
            if n <= d and not settings.no_centre
            else f"{n} rows have as many"
            if n <= d
            else f"there are {d} features"
        )
    )
    raise UsageError(
        f"-k {components}: the data have at most {most} components ({why}); ask for {most} or fewer"
    )
