"""What is learnt of inputs and targets before a regression: rows and columns to leave out, means
in place of missing inputs, scales.
"""

import numpy as np

from ..operators.columns import learn
from ..sources.learned import Learned
from ..sources.reading import Reading


def left_out(data, world, counters):
    """Return the numbers of the rows of ``Pairs`` that lack an input or a target; one reading of
    both. Collective.
    """
    how, found = Reading(nan="drop-rows"), np.zeros(data.n, bool)
    before = counters.reads
    for side in (data.x, data.y):
        gone = learn(side, how, world, counters)[0].left_out
        if gone is not None:
            found[gone] = True
    counters.reads = before + 1
    return np.flatnonzero(found)


def learned_of(data, config, world, counters):
    """Return the ``Learned`` of the inputs as ``config`` asks for, and lines that say what was
    found; rows that are left out are those of the targets too, and ``data`` are without them.
    Collective.
    """
    learned, said, nan = Learned(), [], config.nan
    if nan == "drop-rows":
        nan, gone, n = "raise", left_out(data, world, counters), data.n
        if len(gone):
            said.append(f"{len(gone)} of {n} rows have missing values: left out")
            learned.left_out = gone
            data.learn(learned)
    how = Reading(nan=nan, scale=config.scale)
    if how.learns:
        found, more = learn(data.x, how, world, counters)
        found.left_out, said = learned.left_out, said + more
        learned = found
    return learned, said
