"""Rows streamed from files through a projection into a file: what ``transform`` and
``reconstruct`` do. All functions are collective.
"""

from dataclasses import dataclass

import numpy as np

from ..comm.counters import Counters
from ..engine.memory import PeakMemory
from ..errors import DataError, UsageError, on_all_ranks
from ..files.outputs import check_output
from ..files.paths import expand
from ..files.result import ours_among
from ..files.row_file import row_file
from ..kernels import kernels_for
from ..operators.centring import work_type
from ..operators.team import Team
from ..planning.machine import available_memory
from ..sources.formats import suffixes
from ..sources.source import open_source
from ..units import format_seconds, format_size
from . import scores as files
from .projection import Reconstruction, Scoring, rows_at_once

PIECE_BYTES = 64 << 20  # of an array of rows read or made at a time, whatever the memory
COPIES = 3  # of rows made: those at hand, those on their way, those the root receives


@dataclass(frozen=True)
class Writing:
    """What is written, and with what means; None: the default that the machine or the data give."""

    output: str
    overwrite: bool = False
    dtype: str | None = None
    compression: str | None = None
    memory: int | None = None  # bytes per node
    threads: int | None = None  # per rank


@dataclass(frozen=True)
class Onto:
    """What rows are projected onto: the first ``components`` (None: all), and how."""

    components: int | None = None
    whiten: bool = False
    centre: bool = True


def transform(world, say, result, data, writing, *, onto=Onto(), follow_links=False):
    """Write the scores (Y − 1μᵀ)Vᵀ of the rows of ``data`` on the components of ``result``;
    raise DataError, UsageError on all ranks.
    """
    output = writing.output
    world.decide(lambda: _check_output(writing, [result, *_named(data)]))
    basis = world.decide(
        lambda: files.load_basis(result, onto.components, onto.centre, onto.whiten)
    )
    source = world.decide(lambda: open_source(data, follow_links, own=ours_among([result, output])))
    source.tell(say)
    if source.d != basis.d:
        raise on_all_ranks(
            DataError(
                f"{source.parts[0].name} has {source.d} columns, the components of {result} have"
                f" {basis.d}; give data with the features that were fitted"
            )
        )
    kind = np.dtype(writing.dtype or work_type(source.dtype, False))
    work = work_type(source.dtype, kind == np.float64)
    kernels = kernels_for(source.n * source.d // world.size)
    world.first_on_node(
        lambda: kernels.is_warm(source.dtype), lambda: kernels.warm_up(source.dtype)
    )

    def scoring(components, team):
        return Scoring(components, basis.mean, source.dtype, basis.lengths, kernels, team=team)

    made = _Rows(files.SCORES, basis.count, kind)
    _Job(world, basis, source, work, Scoring.scratch).run(say, writing, made, scoring)


def reconstruct(world, say, result, scores, writing):
    """Write the rows SV + 1μᵀ that a file of scores stands for; raise DataError, UsageError on
    all ranks.
    """
    world.decide(lambda: _check_output(writing, [result, scores]))
    source, basis = world.decide(lambda: files.load_scores(scores, result))
    kind = np.dtype(writing.dtype or source.dtype)
    work = np.promote_types(source.dtype, kind)

    def reconstruction(components, team):
        return Reconstruction(components, basis.mean, basis.lengths, team)

    made = _Rows(files.RECONSTRUCTION, basis.d, kind)
    _Job(world, basis, source, work, Reconstruction.scratch).run(say, writing, made, reconstruction)


@dataclass(frozen=True)
class _Rows:
    """Rows that are made: for what kind of file, how long, of which type."""

    form: str
    columns: int
    dtype: np.dtype


class _Job:
    """A source, a basis and the type ``work`` they are multiplied in; ``scratch(d, K, work)``
    bytes are needed per thread.
    """

    def __init__(self, world, basis, source, work, scratch):
        self.world, self.basis, self.source, self.work, self.scratch = (
            world,
            basis,
            source,
            work,
            scratch,
        )
        self.counters, self.peak = Counters(), PeakMemory()

    def run(self, say, writing, made, method):
        """Stream the source through ``method(components, team)`` into the ``_Rows`` of the
        output.
        """
        world, basis, source, kind = self.world, self.basis, self.source, made.dtype
        threads = writing.threads or world.default_threads()
        if crowding := world.crowding(threads):
            say(crowding)
        panel = files.components_on_nodes(world, basis, self.work)
        rows = self._rows_at_once(writing.memory, panel, threads, made.columns * kind.itemsize)
        projection = method(panel.array, Team(threads))

        def convert(piece, largest):
            found = projection.into(piece, largest, np.empty((len(piece), made.columns), kind))
            self.peak.look()
            return _checked(found)

        target = row_file(
            world,
            writing.output,
            files.DATASETS[made.form],
            (source.n, made.columns),
            kind,
            attributes=files.header(made.form, basis, source),
            compression=writing.compression,
        )
        with world.blaming(source.change), target as target:
            files.stream(world, source, rows, convert, target, counters=self.counters)
            world.decide(source.check_unchanged)
        panel.free()
        size = f"{source.n} × {made.columns} {kind}"
        self._summarise(say, f"{writing.output}: {size} by {basis.count} components")

    def _rows_at_once(self, memory, panel, threads, row_bytes):
        """Rows of a piece that this rank's share of the node's memory holds."""
        world, d = self.world, self.basis.d
        memory = memory or min(world.comm.allgather(available_memory()))
        read, node = self.source.d * self.source.dtype.itemsize, world.node.size
        held = panel.array.nbytes * node // panel.node.size
        fixed = threads * self.scratch(d, self.basis.count, self.work) + 32 * d
        rows = rows_at_once(
            (memory - held) // node,
            fixed,
            read + COPIES * row_bytes,
            PIECE_BYTES,
            max(read, row_bytes),
        )
        with world.agreed():
            if not rows:
                least = held + node * (fixed + read + COPIES * row_bytes)
                raise UsageError(
                    f"--memory {format_size(memory)} per node is too little: {format_size(least)}"
                    " are needed; give more, or fewer ranks per node or --threads"
                )
        return rows

    def _summarise(self, say, what):
        most = max(self.world.comm.allgather(self.world.node.allreduce(self.peak.look())))
        split = self.counters.split()
        times = ", ".join(
            f"{name} {format_seconds(split.get(name, 0))}" for name in ("read", "apply", "write")
        )
        say(
            f"{what}; time {format_seconds(self.counters.elapsed())}: {times}; "
            f"peak memory {format_size(most)} per node on {self.world.size} rank(s)"
        )


def _checked(made):
    if not (np.isfinite(made.min()) and np.isfinite(made.max())):
        remedy = "give --dtype float64" if made.dtype == np.float32 else "rescale the data"
        raise DataError(f"values beyond the range of {made.dtype}; {remedy}")
    return made


def _named(data):
    """Files that are asked for by name; what a glob or folder lists may be this run's own
    output, and is left out then.
    """
    return [each.path for each in expand(data, suffixes()) if not each.is_listed]


def _check_output(writing, read):
    check_output(writing.output, "-o", writing.overwrite, dict.fromkeys(read, "what is read"))
