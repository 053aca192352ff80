"""Rows streamed from files through a map into a file. All is collective."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..comm.counters import Counters
from ..comm.shared import SharedArray
from ..engine.memory import PeakMemory
from ..errors import UsageError
from ..files.outputs import check_output
from ..files.paths import expand
from ..files.row_file import row_file
from ..operators.team import Team
from ..planning.machine import available_memory
from ..sources.formats import suffixes
from ..sources.watch import Passage
from ..units import format_seconds, format_size
from .projection import checked, left_out, rows_at_once

SLAB_BYTES = 16 << 20  # of vectors handed to all nodes at a time
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


def on_nodes(world, shape, dtype, rows):
    """Return the ``SharedArray`` of ``shape`` and ``dtype`` with what ``rows(start, stop)`` gives
    the root; collective.
    """
    panel = SharedArray(world, shape, dtype)
    count, d = shape
    step = max(1, SLAB_BYTES // (8 * d))
    for start in range(0, count, step):
        slab = np.empty((min(step, count - start), d))
        with world.agreed():
            if world.is_root:
                slab[:] = rows(start, start + len(slab))
        world.comm.Bcast(slab)
        if panel.node.rank == 0:
            panel.array[start : start + len(slab)] = slab
    panel.fence()
    return panel


def pieces(source, first, last, rows):
    """Yield (file, start, stop, row of the whole) of blocks first..last−1 in pieces of at most
    ``rows`` rows, whole chunks where that fits.
    """
    before = np.concatenate([[0], np.cumsum([part.rows for part in source.parts])])
    for number, start, stop in source.blocks.run(first, last):
        step = rows // source.parts[number].chunk_rows * source.parts[number].chunk_rows or rows
        while start < stop:
            end = min(stop, (start // step + 1) * step)
            for _, begin, until in source.cut(number, start, end):
                yield number, begin, until, int(before[number]) + begin
            start = end


def stream(world, source, rows, convert, target, *, counters):
    """Give ``target`` what ``convert(rows (r, d), max |value|)`` makes of every piece of the
    source; collective, in step.

    Every rank takes its shard, at most ``rows`` rows at a time; one without rows left goes on to
    take part in agreeing.
    """
    mine = list(pieces(source, *source.blocks.shard(world.size, world.rank), rows))
    sizes = [stop - start for _, start, stop, _ in mine]
    buffer = source.buffer(max(sizes, default=0)) if source.unmapped else None
    passage = Passage(sum(sizes))
    for turn in range(max(world.comm.allgather(len(mine)))):
        first, made = 0, None
        with world.agreed():
            if turn < len(mine):
                number, start, stop, first = mine[turn]
                with counters.time("read"):
                    source.fetch(number, start, stop)
                    block = source.read(number, start, stop, buffer)
                    is_left_out = left_out(source, block)
                    largest = source.check_finite(block)
                with counters.time("apply"):
                    made = convert(block.rows, largest)
                    made[is_left_out] = np.nan
                source.check_mapped(number)
                source.let_go(number, start, stop)
        with counters.time("write"):
            target.put(first, made)
        if made is not None:
            passage.done(len(made))


@dataclass(frozen=True)
class Made:
    """The rows that are made: their dataset, its columns, type and attributes; ``by`` says in
    words what of. ``axes`` are the lengths that columns are written in, if not as ``columns``.
    ``after()`` gives {name: array} of what is known in the end; it is collective.
    """

    dataset: str
    columns: int
    dtype: np.dtype
    attributes: dict
    by: str
    axes: tuple | None = None
    after: Callable = dict

    def shape(self, rows):
        """Return the shape of the dataset with so many rows."""
        return (rows, *((self.columns,) if self.axes is None else self.axes))


class Mapping:
    """Gives every row of a source to a map.

    The map multiplies with ``panels`` (SharedArrays). It needs ``scratch`` bytes per thread, and
    ``between`` bytes per row.
    """

    def __init__(self, world, source, panels, scratch, between=0):
        self.world, self.source, self.panels = world, source, panels
        self.scratch, self.between = scratch, between
        self.counters, self.peak = Counters(), PeakMemory()

    def run(self, say, writing, made, method):
        """Stream the source through ``method(team)``, whose ``into(rows, largest, out)`` makes
        rows, into the file; raise DataError, UsageError on all ranks.
        """
        world, source, kind = self.world, self.source, made.dtype
        threads = writing.threads or world.default_threads()
        if crowding := world.crowding(threads):
            say(crowding)
        rows = self._rows_at_once(writing.memory, threads, made.columns * kind.itemsize)
        mapped = method(Team(threads))

        def convert(piece, largest):
            found = mapped.into(piece, largest, np.empty((len(piece), made.columns), kind))
            self.peak.look()
            return checked(found)

        target = row_file(
            world,
            writing.output,
            made.dataset,
            made.shape(source.n),
            kind,
            attributes=made.attributes,
            compression=writing.compression,
        )
        with world.blaming(source.change), target as target:
            stream(world, source, rows, convert, target, counters=self.counters)
            world.decide(source.check_unchanged)
            target.add(made.after())
        for panel in self.panels:
            panel.free()
        size = f"{' × '.join(map(str, made.shape(source.n)))} {kind}"
        self._summarise(say, f"{writing.output}: {size} by {made.by}")

    def _rows_at_once(self, memory, threads, row_bytes):
        """Rows of a piece that this rank's share of the node's memory holds."""
        world = self.world
        memory = memory or min(world.comm.allgather(available_memory()))
        read, node = self.source.row_bytes + self.between, world.node.size
        held = sum(panel.nbytes * node // panel.node.size for panel in self.panels)
        longest = max(panel.array.shape[1] for panel in self.panels)
        fixed = threads * self.scratch + 32 * longest
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


def named(data):
    """Files that are asked for by name; what a glob or folder lists may be this run's own
    output, and is left out then.
    """
    return [each.path for each in expand(data, suffixes()) if not each.is_listed]


def check_written(writing, read):
    """Raise unless the output is no file that is read, and may be replaced. For one rank."""
    check_output(writing.output, "-o", writing.overwrite, dict.fromkeys(read, "what is read"))
