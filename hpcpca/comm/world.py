"""The ranks of a run: node by node, agreeing on errors and on every decision of the root."""

import os
from contextlib import contextmanager

from mpi4py import MPI

from ..errors import (
    BY_CODE,
    DataError,
    HpcpcaError,
    Interrupted,
    NotAchieved,
    PlatformError,
    UsageError,
    describe,
    on_all_ranks,
)
from .interrupt import Interrupt
from .launch import launched_size


class World:
    """All ranks, numbered node by node, so that a node's ranks own neighbouring columns.

    ``comm`` is every rank, ``node`` those that share memory with this one.
    """

    def __init__(self, comm=None, node_of=None):
        """Collective.

        ``node_of`` (rank → node number) overrides what MPI says, to try several nodes on one
        machine. Raise UsageError if this rank is not in ``comm``.
        """
        parent = MPI.COMM_WORLD if comm is None else comm
        if parent == MPI.COMM_NULL:
            raise UsageError("comm is MPI.COMM_NULL: this rank is not in it; leave it out there")
        node = (
            parent.Split_type(MPI.COMM_TYPE_SHARED)
            if node_of is None
            else parent.Split(node_of(parent.rank), parent.rank)
        )
        first = node.bcast(parent.rank)
        self.comm = parent.Split(0, first * parent.size + node.rank)
        self.node = self.comm.Split(first, self.comm.rank)
        node.Free()
        self.rank, self.size = self.comm.rank, self.comm.size
        self.is_root = self.rank == 0
        self.interrupt = Interrupt(self.comm)

    def free(self):
        """Release the communicators; collective."""
        self.interrupt.free()
        self.node.Free()
        self.comm.Free()

    def check_launcher(self):
        """Raise PlatformError if the launcher belongs to another MPI than the library (worlds
        of size 1).
        """
        launched = launched_size()
        if launched > 1 and MPI.COMM_WORLD.size != launched:
            library = MPI.Get_library_version().split(",")[0].split("\n")[0].strip("\0 ")
            raise on_all_ranks(
                PlatformError(
                    f"mpiexec started {launched} processes, but each is alone in its MPI world: the"
                    f" launcher is not that of the MPI library loaded ({library}); use that"
                    " library's mpiexec, or point MPI4PY_LIBMPI at the launcher's library"
                )
            )

    @staticmethod
    def library():
        """Name and version of the MPI library, in words."""
        return " ".join(MPI.Get_library_version().replace("\0", " ").split())

    def check_alike(
        self,
        found,
        says="has another installation",
        remedy="make it the same on all nodes",
        kind=PlatformError,
    ):
        """Raise an error of this ``kind``, naming the node, if some rank ``found`` {name: text}
        otherwise than the root. Collective.
        """
        asked = self.comm.bcast(found)
        differing = [(name, text) for name, text in found.items() if text != asked[name]]
        first = self.comm.allreduce(self.rank if differing else self.size, MPI.MIN)
        if first < self.size:
            text = ", ".join(
                f"{name} is {mine[:60]} there and {asked[name][:60]} on rank 0"
                for name, mine in differing
            )
            where, text = self.comm.bcast((MPI.Get_processor_name(), text), root=first)
            raise on_all_ranks(kind(f"rank {first} on node {where} {says}: {text}; {remedy}"))

    @contextmanager
    def agreed(self, also=()):
        """Run the body on all ranks; if it fails on some, every rank raises the error of the
        lowest of them.

        This is for errors of hpcpca and the system, and the kinds in ``also``; others are
        bugs. The body must not hold a collective call that a failing rank would miss.
        """
        error = None
        try:
            yield
        except (HpcpcaError, OSError, MemoryError, *also) as caught:
            error = caught
        first = self.comm.allreduce(self.size if error is None else self.rank, MPI.MIN)
        if first < self.size:
            code, text = self.comm.bcast(
                error and (getattr(error, "exit_code", None), describe(error)), root=first
            )
            raise on_all_ranks(BY_CODE.get(code, PlatformError)(text)) from error

    @contextmanager
    def blaming(self, cause):
        """Run the body; if it fails and the root's ``cause()`` gives a text, say that too, as a
        DataError.

        Errors that say what to do about the request or the machine, and stops, stay as they are. An
        error of all ranks stays one.
        """
        try:
            yield
        except (Interrupted, NotAchieved, UsageError, PlatformError):
            raise
        except Exception as error:
            is_agreed = getattr(error, "is_agreed", False)
            text = self.decide(cause) if is_agreed else cause()
            if text is None or text in str(error):
                raise
            told = DataError(f"{describe(error)}; {text}: start again when nobody writes to it")
            raise (on_all_ranks(told) if is_agreed else told) from error

    def decide(self, decision):
        """Let the root call ``decision()`` and return its (small) value on all ranks, or raise its
        error there.
        """
        value = None
        with self.agreed():
            if self.is_root:
                value = decision()
        return self.comm.bcast(value)

    def total(self, array):
        """Sum an array over the ranks, in place; return it. Collective."""
        self.comm.Allreduce(MPI.IN_PLACE, array)
        return array

    def most(self, value):
        """Return the largest of the ranks' values. Collective."""
        return max(self.comm.allgather(value))

    def first_on_node(self, is_done, action):
        """Let one rank of each node run ``action`` unless it ``is_done()``; the others wait. For
        work that fills a cache.
        """
        if self.node.rank == 0 and not is_done():
            action()
        self.node.Barrier()

    def default_threads(self):
        """Threads per rank: processors this rank may use ÷ ranks of the node that share them,
        OMP_NUM_THREADS at most; collective.
        """
        mine = os.sched_getaffinity(0)
        masks = self.node.allgather(mine)
        sharing = sum(1 for mask in masks if mask & mine)
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[
            0
        ]  # further numbers are of threads within threads
        return max(
            1,
            min(len(mine) // sharing, int(asked) if asked.isdigit() and int(asked) else len(mine)),
        )

    def crowding(self, threads):
        """A warning if ranks of ``threads`` each have fewer processors on some node, else None.

        Collective.
        """
        processors = len(set().union(*self.node.allgather(os.sched_getaffinity(0))))
        running = self.node.allreduce(threads)
        found = (running / processors, running, self.node.size, processors, os.uname().nodename)
        excess, running, ranks, processors, node = max(self.comm.allgather(found))
        return (
            None
            if excess <= 1
            else (
                f"hpcpca: warning: {ranks} rank(s) on node {node} run {running} threads on"
                f" {processors} processor(s), which take turns; start fewer ranks, or give fewer"
                " --threads"
            )
        )

    def abort(self, code):
        """End every rank at once."""
        MPI.COMM_WORLD.Abort(code)
