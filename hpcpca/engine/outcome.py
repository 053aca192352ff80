"""How a run ended, and what it took."""

from dataclasses import dataclass

import numpy as np

from ..planning.machine import node_name
from .report import Report

# a rank that works so many times as long as the others, and so much longer, is named
LAG, LAG_SECONDS = 3, 1.0


@dataclass
class Outcome:
    """What a run ended with; ``report`` is the last round's."""

    name: str
    report: Report
    plan: object
    panel: int
    peak_memory: int
    result_path: str | None
    checkpoint_path: str | None
    seconds: dict
    reason: str | None = None  # why it was stopped
    changed: str | None = None  # what happened to the data in the meantime
    # (rank, node, its seconds of reading and computing, the others' median) where one held up all
    laggard: tuple | None = None
    lack: str | None = None  # what was asked for and is not reached
    kept: tuple | None = None  # (attributes, arrays) of a result that goes to no file
    ended: str | None = None  # how, in words, if that is not what its name says
    standing: object = None  # a word for each component, if anything was written


def laggard(world, seconds):
    """The rank that the others waited for, if there is one; ``seconds`` are this rank's, by
    activity. Collective.
    """
    worked = seconds.get("read", 0.0) + seconds.get("apply", 0.0)
    everyone = world.comm.allgather((worked, world.rank, node_name()))
    longest, rank, node = max(everyone)
    others = sorted(each[0] for each in everyone)[:-1]
    typical = float(np.median(others)) if others else longest
    is_late = longest > LAG * typical and longest - typical > LAG_SECONDS
    return (rank, node, longest, typical) if is_late else None


def peak_memory(world, mine):
    """Largest sum of its ranks' shares over the nodes, in bytes. Collective."""
    on_node = world.node.allreduce(mine)
    return max(world.comm.allgather(on_node))
