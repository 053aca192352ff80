"""Messages between workers: rows of panels, small arrays, and results of the root."""

from contextlib import contextmanager

import numpy as np
from mpi4py import MPI
from mpi4py.util.dtlib import from_numpy_dtype

from ..partition import Grid, span
from .shared import SharedArray
from .window import Window
from .world import World

SLAB = 1 << 30  # elements per reduction: counts past 2³¹−1 fail in MPI-3 libraries


@contextmanager
def _row_type(rows):
    """The MPI type of a row of the array ``rows``: counts in rows stay small."""
    row = from_numpy_dtype(rows.dtype).Create_contiguous(rows.shape[1]).Commit()
    try:
        yield row
    finally:
        row.Free()


@contextmanager
def _column_type(rows):
    """The MPI type of a column of the array ``rows``, and of those beside it."""
    item = from_numpy_dtype(rows.dtype)
    column = item.Create_vector(len(rows), 1, rows.shape[1])
    beside = column.Create_resized(0, rows.itemsize).Commit()
    try:
        yield beside
    finally:
        beside.Free()
        column.Free()


class Exchange:
    """The collective operations between the workers of a grid. They count every byte.

    A rank owns rows ``offsets[rank]:offsets[rank+1]`` of a panel (``Grid.offsets``). Counted is the
    payload that each rank gets from others, summed over ranks, by network or shared memory.
    """

    def __init__(self, world, grid, counters):
        """Collective. ``grid`` must have as many ranks as ``world``."""
        self.world, self.grid, self.counters = world, grid, counters
        self.comm, self.rank, self.size = world.comm, world.rank, world.size
        group, self.shard = grid.place(self.rank)
        self.group_number = group
        self.group = self.comm.Split(group, self.shard)
        self._sharers = world.node.Split(self.shard, group)
        self._others = {
            id(world.node): self._others_of(world.node),
            id(MPI.COMM_SELF): self._others_of(MPI.COMM_SELF),
        }
        self._panels, self._alone = [], None

    def _others_of(self, node):
        """Communicator of the first ranks of all nodes (COMM_NULL elsewhere) and how many ranks
        each node has.
        """
        leaders = self.comm.Split(0 if node.rank == 0 else MPI.UNDEFINED, self.rank)
        return leaders, (leaders.allgather(node.size) if node.rank == 0 else None)

    def free(self):
        """Release communicators and panels; collective."""
        for panel in self._panels:
            panel.free()
        if self._alone:
            self._alone.free()
            self._alone.world.free()
        for leaders, _ in self._others.values():
            if leaders != MPI.COMM_NULL:
                leaders.Free()
        self._sharers.Free()
        self.group.Free()

    def panel(self, rows, d, dtype=np.float64):
        """Make a (rows, d) panel held once per node; collective."""
        panel = SharedArray(self.world, (rows, d), dtype)
        self._panels.append(panel)
        return panel

    def rows(self, count, d, dtype):
        """Make an array for the rows of a shard, held once for all ranks of the node that have
        it; collective.
        """
        held = SharedArray(self.world, (count, d), dtype, self._sharers)
        self._panels.append(held)
        return held

    def window(self, fronts, rows, d):
        """Make a ``Window`` in which every rank publishes ``fronts[rank]`` figures and
        ``rows[rank]`` rows of length d; collective.
        """
        window = Window(self.world, fronts, rows, d, self.counters)
        self._panels.append(window)
        return window

    def alone(self):
        """An exchange of size 1, for work at this rank's own pace. It reacts to requests to stop
        like this one.
        """
        if self._alone is None:
            self._alone = Exchange(World(MPI.COMM_SELF), Grid(1, 1), self.counters)
            self._alone.world.interrupt.asked = self.world.interrupt.requested
        return self._alone

    def release(self, held):
        """Free a panel, rows or window before the end; collective."""
        self._panels.remove(held)
        held.free()

    def bytes_not_shared(self):
        """Bytes that this rank holds for itself because /dev/shm is too small to share them."""
        return sum(panel.nbytes for panel in self._panels if panel.lacks_room)

    def owned(self, count):
        """Slice of this rank's columns when there are ``count``."""
        offsets = self.grid.offsets(count)
        return slice(int(offsets[self.rank]), int(offsets[self.rank + 1]))

    def group_columns(self, offsets):
        """Slice of the columns of this rank's group, if rank r owns offsets[r]:offsets[r+1]."""
        first = self.group_number * self.grid.shards
        return slice(int(offsets[first]), int(offsets[first + self.grid.shards]))

    def publish(self, own, panel, offsets, first=0):
        """Put every rank's rows ``own`` (r, d) into ``panel`` from row ``first`` on, on all
        nodes: Allgather. They travel in the panel's type, whatever theirs is.
        """
        with self.counters.time("exchange"):
            target = panel.array[first : first + offsets[-1]]
            target[offsets[self.rank] : offsets[self.rank + 1]] = own
            panel.fence()
            if panel.node.rank == 0:
                leaders, sizes = self._others[id(panel.node)]
                if leaders.size > 1 and target.size:
                    rows = np.diff(offsets[np.concatenate([[0], np.cumsum(sizes)])])
                    with _row_type(target) as row:
                        leaders.Allgatherv(MPI.IN_PLACE, [target, rows, None, row])
            panel.fence()
            self.counters.bytes_exchanged += (self.size - 1) * target.nbytes
        return target

    def columns(self, d):
        """Slice of this rank's entries of vectors of length d that are shared out by entries."""
        return slice(*span(d, self.size, self.rank))

    def publish_columns(self, panel, count, first=0):
        """Let all nodes know ``count`` rows of ``panel`` from row ``first`` on, of which every
        rank has written its ``columns``: Allgather.
        """
        with self.counters.time("exchange"):
            target = panel.array[first : first + count]
            panel.fence()
            if panel.node.rank == 0:
                leaders, sizes = self._others[id(panel.node)]
                if leaders.size > 1 and target.size:
                    d, firsts = target.shape[1], np.cumsum([0, *sizes[:-1]])  # ranks of nodes
                    widths = np.diff([*(span(d, self.size, rank)[0] for rank in firsts), d])
                    with _column_type(target) as column:
                        leaders.Allgatherv(MPI.IN_PLACE, [target, widths, None, column])
            panel.fence()
            self.counters.bytes_exchanged += (self.size - 1) * target.nbytes
        return target

    def gather_small(self, own, offsets):
        """Return all rows of a small array from each rank's own: (offsets[-1], …) float64."""
        own = np.ascontiguousarray(own, dtype=np.float64)
        whole = np.empty((int(offsets[-1]), *own.shape[1:]))
        width = int(np.prod(own.shape[1:], dtype=np.int64))
        with self.counters.time("exchange"):
            if whole.size:
                self.comm.Allgatherv(own, [whole, np.diff(offsets) * width])
            self.counters.bytes_exchanged += (self.size - 1) * whole.nbytes
        return whole

    def gather_in_group(self, own, offsets):
        """Return the group's panel (c, d) from its ranks' rows, in their type; ``offsets`` says
        who owns which columns, over all groups.
        """
        if self.group.size == 1:
            return own
        columns = self.group_columns(offsets)
        whole = np.empty((columns.stop - columns.start, own.shape[1]), own.dtype)
        with self.counters.time("exchange"):
            if whole.size:
                with _row_type(whole) as row:
                    self.group.Allgatherv(
                        [np.ascontiguousarray(own), len(own), row],
                        [whole, np.diff(self._group_offsets(offsets)), None, row],
                    )
            self.counters.bytes_exchanged += (
                (self.group.size - 1) * int(offsets[-1]) * own.shape[1] * own.itemsize
            )
        return whole

    def _group_offsets(self, offsets):
        """Where the rows of each rank of this group start in the group's panel."""
        first = self.group_number * self.grid.shards
        return offsets[first : first + self.grid.shards + 1] - offsets[first]

    def own_rows(self, panel, offsets):
        """This rank's rows of its group's panel (c, d)."""
        offsets = self._group_offsets(offsets)
        return panel[offsets[self.shard] : offsets[self.shard + 1]]

    def reduce_to_owners(self, partial, offsets):
        """Sum the group's partial images (c, d) and return this rank's rows of the sum:
        Reduce_scatter.

        ``offsets`` says who owns which columns, over all groups.
        """
        if self.group.size == 1:
            return partial
        counts = np.diff(self._group_offsets(offsets))
        own = np.empty((counts[self.shard], partial.shape[1]))
        width = max(1, SLAB // max(1, len(partial)))
        with self.counters.time("exchange"):
            for start in range(0, partial.shape[1], width):
                slab = np.ascontiguousarray(partial[:, start : start + width])
                mine = np.empty((counts[self.shard], slab.shape[1]))
                self.group.Reduce_scatter(slab, mine, counts * slab.shape[1])
                own[:, start : start + width] = mine
            self.counters.bytes_exchanged += (
                (self.group.size - 1) * int(offsets[-1]) * partial.shape[1] * 8
            )
        return own

    def sum(self, array):
        """Sum an array over all ranks in place: Allreduce, float64."""
        flat = array.reshape(-1)
        with self.counters.time("exchange"):
            for start in range(0, flat.size, SLAB):
                self.comm.Allreduce(MPI.IN_PLACE, flat[start : start + SLAB])
            self.counters.bytes_exchanged += 2 * (self.size - 1) * array.nbytes
        return array

    @property
    def interrupt(self):
        """Requests to stop."""
        return self.world.interrupt

    def agreed(self):
        """Context in which an error on one rank is raised on all. Collective."""
        return self.world.agreed()

    def gather_objects(self, value):
        """Return the small values of all ranks, in order. Collective."""
        return self.comm.allgather(value)

    def broadcast(self, array):
        """Replace an array by the root's, in place. Collective."""
        self.comm.Bcast(array.view(np.uint8))
        return array

    def maximum(self, value):
        """Return the largest of the ranks' numbers. Collective."""
        return self.comm.allreduce(float(value), MPI.MAX)

    def from_root(self, solve, *shapes):
        """Let the root compute ``solve() -> arrays`` of the given shapes (float64) and hand them
        to all ranks.

        Small dense problems are solved once: ranks with other thread counts would rotate a cluster
        differently.
        """
        arrays = solve() if self.rank == 0 else [np.empty(shape) for shape in shapes]
        arrays = [np.ascontiguousarray(a, dtype=np.float64) for a in arrays]
        with self.counters.time("exchange"):
            for array in arrays:
                self.comm.Bcast(array)
                self.counters.bytes_exchanged += (self.size - 1) * array.nbytes
        return arrays
