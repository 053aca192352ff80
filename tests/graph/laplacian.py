"""A second problem for the engine: the largest eigenvalues of a graph's Laplacian L = D − A, which
is given by products only.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

from hpcpca.cli.fit import command_of
from hpcpca.engine.problem import Problem
from hpcpca.engine.settings import COMMON, PanelSettings
from hpcpca.errors import UsageError
from hpcpca.operators.cost import Plan
from hpcpca.options import Settings, compose, option
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source


@dataclass(frozen=True)
class GraphSettings(Settings):
    """Graph"""

    nodes: int = option("Number of nodes.", default=2, least=2, required=True)


@dataclass(frozen=True)
class LaplacianSettings(compose(PanelSettings, GraphSettings, *COMMON)):
    """All that the command takes."""


class Graph:
    """Edges (e, 2) from an HDF5 dataset, one row for each pair of nodes; read when asked for."""

    def __init__(self, source, nodes):
        self.source, self.d = source, nodes
        self.title = f"{source.dataset}, {self.d} nodes, {source.n} edges"
        self.describe, self.change, self.tell = source.describe, source.change, source.tell

    def read(self, world):
        with world.agreed():
            places = self.source.pieces(0, len(self.source.blocks))
            blocks = [self.source.read(*place).rows for place in places]
            self.heads, self.tails = np.concatenate(blocks).T
        return self

    def product(self, vector):
        """(Lx)_i = Σ_j (x_i − x_j) over the neighbours j of i."""
        flow = vector[self.heads] - vector[self.tails]
        return np.bincount(self.heads, flow, self.d) - np.bincount(self.tails, flow, self.d)


class Products:
    """L, of which every rank has all edges: each applies it to its own vectors."""

    is_double, exponent, rounding = True, 0, 2.0**-46

    def __init__(self, graph, exchange, counters):
        self.graph, self.exchange, self.counters, self.d = graph, exchange, counters, graph.d

    def apply(self, panel, offsets):
        self.counters.passes += 1
        own = self.exchange.own_rows(panel, offsets)
        return np.array([self.graph.product(vector) for vector in own]).reshape(own.shape)

    def over(self, exchange):
        made = copy(self)
        made.exchange = exchange
        return made


class Dense:
    """L as a matrix, for ``verify``."""

    exponent, reads = 0, 1

    def __init__(self, graph):
        self.d, self.rank_limit, self.change = graph.d, graph.d - 1, graph.change
        adjacency = np.zeros((graph.d, graph.d))
        adjacency[graph.heads, graph.tails] = adjacency[graph.tails, graph.heads] = 1
        self.matrix = np.diag(adjacency.sum(axis=1)) - adjacency

    def apply(self, panel):
        return panel @ self.matrix


class Laplacian(Problem):
    name, settings = "laplacian", LaplacianSettings

    def open(self, own=()):
        config = self.config
        return Graph(open_source(config.data, Reading.of(config), own=own), config.nodes)

    def check(self, data):
        if self.config.components >= data.d:
            raise UsageError(f"-k {self.config.components}: a graph of {data.d} nodes has fewer")
        return data.d - 1

    def plan(self, context):
        basis = min(16 * context.panel, context.data.d + context.panel)
        return Plan("products", 1, 0, 0.0, 0, basis=basis, reason="products (with the edges)")

    def operator(self, context, resumed):
        graph = context.data.read(context.world)
        return Products(graph, context.exchange, context.counters)

    @classmethod
    def plain(cls, request):
        data, reading, ranks = request.data, request.reading, request.ranks
        source = ranks.decide(lambda: open_source(data, reading))
        return Dense(Graph(source, request.stored.config["nodes"]).read(ranks))


PROBLEM = Laplacian
laplacian = command_of("laplacian", LaplacianSettings, "Largest eigenvalues of a graph.", "EDGES")
