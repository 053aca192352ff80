"""A covariance that is given as a matrix: read once per node."""

import numpy as np

from ..sources.rows import load_shard
from . import gram_build
from .gram import GramCovariance, read_covariance
from .kind import register
from .products import ROUNDING


def load(resources, is_double, plan, resumed):
    """Return the ``GramCovariance`` of the matrix that the data are.

    Collective; nothing ``resumed`` is of use.
    """
    source, exchange, counters = resources.source, resources.exchange, resources.counters
    source.be_exact()
    panel = exchange.panel(source.d, source.d)

    def build(_):
        counters.reads += 1
        exponent = 0
        with exchange.agreed():
            if panel.node.rank == 0:
                matrix = source.buffer(source.d)
                largest = load_shard(source, (1, 0), counters, matrix)
                exponent = int(np.frexp(largest)[1])
                read_covariance(matrix, panel.array, exponent)
        panel.fence()
        exponent = int(exchange.maximum(exponent if panel.node.rank == 0 else -10_000))
        return panel.array, None, exponent, ROUNDING[True]

    return GramCovariance(build, True, exchange, counters)


register("covariance", load, gram_build.cost, is_offered=False)
