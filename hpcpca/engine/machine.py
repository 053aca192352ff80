"""What a run has to work with: memory, threads, compiled kernels."""

from ..comm.shared import shm_free
from ..operators.cost import Machine
from ..planning.machine import available_memory


def machine_of(context, rates):
    """Return the ``Machine`` of a run, for the cost model. Collective."""
    world = context.world
    free = min(world.comm.allgather(available_memory()))
    return Machine(
        ranks=world.size,
        ranks_on_node=max(world.comm.allgather(world.node.size)),
        threads=context.threads,
        memory=context.config.memory or free,
        cached=free,
        rates=rates,
        shm=min(world.comm.allgather(shm_free())),
        shards=context.grid and context.grid.shards,
    )


def warm_up(context, kernels, dtypes, is_sparse=False):
    """Have the kernels for data of ``dtypes``, or for sparse rows held in them, compiled by one
    rank of each node. Collective.
    """
    interrupt = context.world.interrupt

    def compiled():
        trouble = kernels.trouble()
        often = f"in every run: {trouble}" if trouble else "once: a quarter of a minute or so"
        context.say(f"compiling kernels for this kind of processor, {often}")
        for dtype in dtypes:
            kernels.warm_up(dtype, interrupt.requested, is_sparse)

    context.world.first_on_node(
        lambda: all(kernels.is_warm(dtype, is_sparse) for dtype in dtypes), compiled
    )
    interrupt.stop_if(interrupt.requested())
