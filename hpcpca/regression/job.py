"""The sizes of a regression, for the cost model."""

from dataclasses import dataclass, replace

from ..operators.cost import Job

EIGH_FLOPS = 9  # times d³: all eigenvalues and vectors


@dataclass(frozen=True, kw_only=True)
class PairJob(Job):
    """Sizes that costs depend on; ``d`` is the number of targets."""

    inputs: int
    pair_bytes: int  # of a row of both, as it is in the files
    with_targets: bool  # whether the targets' own covariance is needed
    with_inputs: bool = True  # whether the inputs' is

    @property
    def row_bytes(self):
        """Of the files' types."""
        return self.pair_bytes

    @property
    def joined(self):
        """The job of rows that are those of X and Y side by side."""
        return replace(self, d=self.inputs + self.d)


def job_of(settings, data, panel, machine):
    """Return the ``PairJob`` of a regression of ``data`` with ``panel`` vectors."""
    needs = settings.chosen.needs(settings)
    return PairJob(
        n=data.n,
        d=data.d,
        inputs=data.inputs,
        pair_bytes=data.row_bytes,
        with_targets=settings.whiten == "both",
        with_inputs=settings.whiten != "none",
        dtype=data.dtype,
        panel=panel,
        double=settings.starts_in_double,
        ritz=needs.has_history,
        ranks=machine.ranks,
        ranks_on_node=machine.ranks_on_node,
        threads=machine.threads,
        shards=machine.shards,
        memory=machine.memory,
        chunk_bytes=data.chunk_bytes,
        shm=machine.shm,
        tol=settings.tol,
        rates=machine.rates,
        panels=needs.panels,
        own=needs.own,
        private=needs.private,
    )
