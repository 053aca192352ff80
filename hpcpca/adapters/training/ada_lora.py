"""AdaLoRA (arXiv 2303.10512): more pairs than wanted, kept orthogonal; the least important go."""

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import UsageError
from ..adapter import Adapter
from .adam import RATE, Adam
from .checks import check_batch, check_finite
from .growth import Importance, check_budget
from .lora import LoRA
from .network import with_pairs

ORTHOGONAL = 0.1  # weight of ‖AAᵀ − I‖² + ‖BBᵀ − I‖² in the loss
SPREAD = 0.02  # of a and b at the start; λ starts from zero


class AdaLoRA(LoRA):
    """ΔW = Σ_k λ_k b_k a_kᵀ, first with ``rank`` pairs for every module, pruned to ``budget``
    parameters between the batches of ``span``; see ``LoRA``.

    The importance I·U of a pair is that of λ, and the means over its a and over its b.
    """

    def __init__(self, loss, weights, modules, rank, *, budget, span, rate=RATE, seed=0):
        super().__init__(loss, weights, modules, rank, rate=rate, seed=seed)
        least, (first, last) = int(self.layout.costs.sum()), span
        check_budget(budget, least)
        if not 0 <= first < last:
            raise UsageError(f"span {first} to {last} batches; give one that ends after it begins")
        self.budget, self.span = budget, span
        random = np.random.default_rng([seed, 1])
        start = SPREAD * random.standard_normal(self.panel.shape)
        weights_of_pairs = np.zeros((len(self.panel), len(self.layout.names)))
        # a row: its pairs, and their λ
        self.panel = np.concatenate([start, weights_of_pairs], 1).astype(self.panel.dtype)
        self.adam = Adam.of(self.panel, np.zeros(self.panel.shape[1], int), rate)
        self._kept = np.ones(weights_of_pairs.shape, bool)
        self._importance = Importance(self.panel.shape)
        self._slopes = jax.jit(jax.grad(self._penalised(loss)))

    def _penalised(self, loss):
        def penalised(panel, kept, weights, batch):
            pairs, penalty = {}, 0.0
            for number, (name, (a, b)) in enumerate(self._parts(panel).items()):
                pairs[name] = (a, b * self._lengths(panel)[:, number, None] * kept[:, number, None])
                for side in (a, b):
                    penalty += ((side @ side.T - jnp.eye(len(side))) ** 2).sum()
            return loss(with_pairs(weights, pairs), *batch) + ORTHOGONAL * penalty

        return penalised

    def step(self, *batch):
        """Train on a batch, and prune; raise as ``ParallelDeflation`` does."""
        check_batch(batch, self.steps)
        batch = jax.tree.map(jnp.asarray, batch)
        kept = self._kept.astype(self.panel.dtype)
        slopes = np.asarray(self._slopes(self.panel, kept, self.network.weights, batch))
        check_finite(slopes, self.steps, batch)
        self._importance.observe(np.abs(self.panel * slopes))
        every = np.ones((len(self.panel), 1), bool)
        self.adam.step(self.panel, np.arange(len(self.panel)), slopes, every)
        self.steps, self.applications = self.steps + 1, self.applications + 1
        self._prune()

    def _prune(self):
        """Keep what the cubic schedule allows, the most important pairs first."""
        first, last = self.span
        left = 1 - min(max(self.steps - first, 0) / (last - first), 1)
        costs = np.broadcast_to(self.layout.costs, self._kept.shape)
        allowed = self.budget + (costs.sum() - self.budget) * left**3
        if self.steps > last:
            return
        scores = self._scores()
        order = np.argsort(-scores, axis=None, kind="stable")
        within = np.cumsum(costs.reshape(-1)[order]) <= allowed
        self._kept = np.zeros_like(self._kept)
        self._kept.reshape(-1)[order[within]] = True
        self._lengths(self.panel)[~self._kept] = 0

    def _scores(self):
        """The importance of pairs: (rows, N)."""
        scores = self._importance.scores
        found = self._lengths(scores).copy()
        for number, parts in enumerate(self._parts(scores).values()):
            found[:, number] += sum(side.mean(axis=1) for side in parts)
        return found

    def _parts(self, panel):
        return self.layout.parts(panel[:, : self.layout.length])

    def _lengths(self, panel):
        return panel[:, self.layout.length :]

    @property
    def adapter(self):
        """The ``Adapter`` as it is now, the most important pairs first."""
        scores, pairs = np.where(self._kept, self._scores(), -1.0), {}
        for number, (name, (a, b)) in enumerate(self._parts(self.panel).items()):
            order = np.argsort(-scores[:, number], kind="stable")[: self._kept[:, number].sum()]
            lengths = self._lengths(self.panel)[order, number, None]
            pairs[name] = (a[order], lengths * b[order])
        return Adapter(pairs)
