"""Parallel rank-one deflation of the weights of a network (AdaPaD, arXiv 2605.10741).

Worker k trains the k-th pairs of all modules, by the loss of the network with these and those of
its superiors as they were published last.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...comm.world import World
from ...errors import DataError, UsageError, on_all_ranks
from ...partition import Grid
from ..layout import Layout
from .adam import Adam
from .network import Network
from .schedules import Schedule

RATE = 1e-3


class ParallelDeflation:
    """Trains pairs beside the weights of ``modules`` over the ranks of ``comm`` (default: all).

    Ranks share out workers, and all know all pairs. They exchange the workers' gradients, once a
    batch, and take the same steps of Adam. The adapter is the same on any number of ranks.
    """

    def __init__(
        self, loss, weights, modules, rank, *, comm=None, schedule=None, rate=RATE, seed=0
    ):
        """Collective. ``loss(weights, *batch)``, computed in JAX with weights {name: array}, uses
        those of ``modules`` (q, d) as ``x @ W.T`` only. ``rank``: pairs of every module, or
        {module: pairs}. Raise UsageError for modules or ranks that cannot be.
        """
        self.layout = Layout(shapes_of(weights, modules))
        self.ranks = ranks_of(rank, self.layout)
        self.schedule = schedule or Schedule()
        self._start(loss, weights, int(self.ranks.max()), comm, rate, seed=seed)

    def _start(self, loss, weights, rows, comm, rate, *, seed):
        self.seed, self.steps, self._sent = seed, 0, 0
        self.network = Network(loss, weights, self.layout)
        dtype = self.network.weights[self.layout.names[0]].dtype
        self.panel = self.layout.panel(seed, rows, dtype)
        self.adam = Adam.of(self.panel, self.layout.groups, rate)
        self.world, self.counters = World(comm), Counters()
        self.exchange = Exchange(self.world, Grid(self.world.size, 1), self.counters)
        # Two, so that nobody writes what another one still reads.
        self._mail = [self.exchange.panel(rows, self.layout.length, dtype) for _ in range(2)]

    def step(self, *batch):
        """Train on a batch, the same on all ranks. Collective.

        Raise DataError on all ranks if a gradient is not finite; then nothing has changed.
        """
        working = np.flatnonzero(self._working())
        count = len(working)
        own = working[self.exchange.owned(count)]
        mail = self._mail[self._sent % len(self._mail)]
        self._sent += 1
        slopes = self.exchange.publish(
            self._slopes(own, batch), mail, self.exchange.grid.offsets(count)
        )
        if not np.isfinite(slopes).all():
            raise on_all_ranks(
                DataError(f"batch {self.steps}: a gradient is not finite; take a lower rate")
            )
        self.adam.step(self.panel, working, slopes, self._trained()[working])
        self.counters.applications += count
        self.steps += 1

    @property
    def adapter(self):
        """The ``Adapter`` as it is now: pairs that others see."""
        return self.layout.adapter(self.panel, self._visible())

    def close(self):
        """Release communicators and memory; collective."""
        self.exchange.free()
        self.world.free()

    # who does what in this step

    def _held(self):
        """Which pairs there are: (rows, N)."""
        return np.arange(len(self.panel))[:, None] < self.ranks

    def _working(self):
        """Which rows are trained: (rows)."""
        return self.schedule.working(self.steps, len(self.panel))

    def _trained(self):
        """Which pairs of those rows are: (rows, N)."""
        return self._held()

    def _seen(self, k):
        """The superiors of worker k: (rows, N)."""
        begun = self.schedule.begun(self.steps, len(self.panel))
        return self._held() & (begun & (np.arange(len(self.panel)) < k))[:, None]

    def _visible(self):
        begun = self.schedule.begun(max(0, self.steps - 1), len(self.panel))
        return np.minimum(self.ranks, begun.sum())

    def _slopes(self, own, batch):
        """Gradients (r, length) of this rank's workers; they are started all, and then waited
        for.
        """
        panel, batch = jnp.asarray(self.panel), jax.tree.map(jnp.asarray, batch)
        with self.counters.time("apply"):
            found = [
                self.network.slopes_of_worker(
                    int(k), panel, self._seen(k).astype(self.panel.dtype), batch
                )
                for k in own
            ]
            rows = [np.asarray(each) for each in found]
        return np.array(rows, self.panel.dtype).reshape(len(own), self.layout.length)


def shapes_of(weights, modules):
    """Return {module: (q, d)}; raise UsageError if one has no weights, or those are no matrix."""
    shapes = {}
    for name in modules:
        if name not in weights:
            raise on_all_ranks(UsageError(f"module {name} has no weights; name one that has"))
        shapes[name] = np.shape(weights[name])
        if len(shapes[name]) != 2:
            raise on_all_ranks(
                UsageError(f"module {name} has weights of shape {shapes[name]}; a matrix is needed")
            )
    if not shapes:
        raise on_all_ranks(UsageError("no modules; name at least one"))
    return shapes


def ranks_of(rank, layout):
    """Return the pairs of all modules: (N); raise UsageError."""
    given = rank if isinstance(rank, dict) else dict.fromkeys(layout.names, rank)
    ranks = np.array([given.get(name, 0) for name in layout.names])
    if ranks.min() < 1:
        name = layout.names[int(ranks.argmin())]
        raise on_all_ranks(UsageError(f"module {name}: {ranks.min()} pairs; give 1 or more"))
    return ranks
