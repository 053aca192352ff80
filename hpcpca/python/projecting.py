"""Rows through a map into an array, in this process alone: without MPI."""

import os

import numpy as np

from ..kernels import kernels_for
from ..mapping.projection import checked, left_out
from ..operators.team import Team


def threads_here():
    """How many threads this process may use: its processors, OMP_NUM_THREADS at most."""
    count = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(count, int(asked)) if asked.isdigit() and int(asked) else count


def kernels_of(source):
    """Return the kernels for a single pass over a source."""
    kernels = kernels_for(source.n * source.d, [source.dtype])
    if not kernels.is_warm(source.dtype):
        kernels.warm_up(source.dtype)
    return kernels


def through(source, method, columns, dtype, threads=None):
    """Return what ``method(team)``, whose ``into(rows, largest, out)`` makes rows, makes of a
    source: (n, columns) of ``dtype``; raise DataError.
    """
    made = np.empty((source.n, columns), dtype)
    team = Team(threads or threads_here())
    try:
        into = method(team).into
        for number, start, stop in source.pieces(0, len(source.blocks)):
            source.fetch(number, start, stop)
            block = source.read(number, start, stop)
            is_left_out = left_out(source, block)
            out = made[block.first : block.stop]
            into(block.rows, source.check_finite(block), out)
            checked(out)
            out[is_left_out] = np.nan
            source.check_mapped(number)
            source.let_go(number, start, stop)
    finally:
        team.close()
    return made
