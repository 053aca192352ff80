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
from ...errors import HpcpcaError, UsageError, others_come
from ...partition import Grid
from ..layout import Layout
from .adam import RATE, Adam
from .checks import check_batch, check_finite, check_rate, checksum, ranks_of, shapes_of
from .network import Network
from .schedules import Schedule


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
        {module: pairs}. All of it is the same on all ranks. Raise UsageError for what cannot be.
        """
        self.schedule, self._asked = schedule or Schedule(), rank
        options = {"rank": rank, "schedule": self.schedule}
        self._start(loss, weights, modules, comm=comm, rate=rate, seed=seed, options=options)

    def _start(self, loss, weights, modules, *, comm, rate, seed, options):
        self.seed, self.steps, self._sent = seed, 0, 0
        self.world, self.counters = World(comm), Counters()
        try:
            with self.world.agreed():
                self.layout = Layout(shapes_of(weights, modules))
                check_rate(rate)
                rows = self._rows()
            self._check_alike(weights, options | {"rate": rate, "seed": seed})
        except HpcpcaError:
            self.world.free()
            raise
        self.network = Network(loss, weights, self.layout)
        dtype = self.network.dtype
        self.panel = self.layout.panel(seed, rows, dtype)
        self.adam = Adam.of(self.panel, self.layout.groups, rate)
        self.exchange = Exchange(self.world, Grid(self.world.size, 1), self.counters)
        # Two, so that nobody writes what another one still reads.
        self._mail = [self.exchange.panel(rows, self.layout.length, dtype) for _ in range(2)]

    def _rows(self):
        """How many rows the panel has; decides on the ``ranks`` of modules."""
        self.ranks = ranks_of(self._asked, self.layout)
        return int(self.ranks.max())

    def _check_alike(self, weights, options):
        if self.world.size == 1:
            return
        given = {name: str(each) for name, each in options.items()}
        given |= {"modules": ", ".join(self.layout.names), "checksum of weights": checksum(weights)}
        self.world.check_alike(
            given, "was given something else", "give all ranks the same", UsageError
        )

    def step(self, *batch):
        """Train on a batch, the same on all ranks. Collective.

        Raise DataError on all ranks if a gradient is not finite; then nothing has changed. Raise
        UsageError for an empty batch, and if this is closed.
        """
        if self.exchange is None:
            raise UsageError("this trainer is closed; make another one")
        check_batch(batch, self.steps)
        working = np.flatnonzero(self._working())
        count = len(working)
        own = working[self.exchange.owned(count)]
        mail = self._mail[self._sent % len(self._mail)]
        self._sent += 1
        slopes = self.exchange.publish(
            self._slopes(own, batch), mail, self.exchange.grid.offsets(count)
        )
        check_finite(slopes, self.steps, batch)
        self.adam.step(self.panel, working, slopes, self._trained()[working])
        self.counters.applications += count
        self.steps += 1

    @property
    def adapter(self):
        """The ``Adapter`` as it is now: pairs that others see."""
        return self.layout.adapter(self.panel, self._visible())

    def close(self):
        """Release communicators and memory; collective.

        While an error goes up that other ranks may not have, they are left to the end of the
        process: waiting for the others would hide it.
        """
        if self.exchange is not None and (self.world.size == 1 or others_come()):
            self.exchange.free()
            self.world.free()
        self.exchange = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

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
