"""Parallel rank-one deflation of many modules at once: deflate, improve, exchange, grow.

A worker is a pair of a module. Every rank knows all pairs as published last, and works on its own.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...linalg.deflation import Pairs
from ...linalg.orth import orthonormality_error
from ...linalg.top1 import normalised
from ...rng import stream
from .growth import Worked, chosen
from .layout import Layout

VANISHED = 1e-12  # of the trace of a module's E: an image of that size is rounding


@dataclass(frozen=True)
class State:
    """What all ranks know after a round of N modules. The w_i pairs of a module are those of its
    model and the reserve, if it has one.
    """

    round: int
    ranks: np.ndarray  # (N) pairs in the model
    vectors: list  # (w_i, q_i) b
    fits: list  # (w_i, q_i) f = Dᵀa
    values: list  # (w_i) bᵀSb
    errors: list  # (w_i) ‖Sb − (bᵀSb)b‖
    grams: list = ()  # (w_i, w_i) AᵀCA
    taken: np.ndarray = None  # (N) what models take off twice the loss
    gains: np.ndarray = None  # (N) what reserves would
    disorder: np.ndarray = None  # (N) max|BBᵀ − I| of models
    scores: np.ndarray = None  # (N) of reserves, if it is time to grow
    grown: tuple = ()  # (round, module, score) of every growth
    has_ended: bool = False  # nobody was to grow when last asked
    estimated = False  # values and errors are exact


class Discovery:
    """The workers of ``modules``, a list of ``Module``; ``here`` {number: ``Home``} are those at
    home on this rank, ``homes`` are all. Made on all ranks.
    """

    def __init__(self, modules, here, homes, exchange, config):
        self.modules, self.here, self.homes = modules, here, homes
        self.exchange, self.config, self.rule = exchange, config, config.rule
        self.limits = np.array([each.facts.limit for each in modules])
        self.layout = self._no_workers()
        self.images = {}  # S·b of this rank's own workers: {module: (c, q)}
        self.sources = {}  # u of modules at home here, with a = C⁻¹D u: {module: (w, q)}
        self.averages = {i: np.zeros(2) for i in here}  # what rules keep of them

    # a round

    def step(self, state):
        """Deflate, improve, exchange; and grow, if it is time. Collective."""
        improved = {i: self._improved(state, i, own) for i, own in self.layout.own.items()}
        workers = sum(map(len, state.vectors))
        self.exchange.counters.applications += workers * self.config.local_steps
        after = self._exchanged(state, state.round + 1, improved)
        return self._grown(after) if self._is_due(after.round) else after

    def _improved(self, state, i, own):
        """What workers ``own`` of module i publish after T power steps on what their superiors'
        pairs leave of the targets.
        """
        module, k = self.modules[i], state.ranks[i]
        superiors = Pairs(state.vectors[i][:k], state.fits[i][:k], state.grams[i][:k, :k])
        counts, floor = np.minimum(own, k), VANISHED * module.facts.total
        vectors, images = state.vectors[i][own], self.images[i]
        for _ in range(self.config.local_steps):
            vectors = normalised(superiors.apply(images, vectors, counts), floor)
            images = module.apply(vectors)
        fits = superiors.fitted(images, vectors, counts)
        return self._published(i, vectors, images, fits)

    def _exchanged(self, before, round, published):
        """The state in which all know what workers have ``published``, and what homes make of it:
        two Allgathers.
        """
        after = replace(before, round=round, **self._told(published))
        for i in self.here:
            self._combine(before.vectors[i], after.vectors[i], i, after.ranks[i])
        return self._measured(after, is_new=True)

    def _grown(self, state):
        """The state in which the reserves of the modules with the largest scores have joined, as
        they are; new ones begin.
        """
        left = self.config.budget - int(state.ranks.sum())
        growing = chosen(state.scores, left, self.config.grow_by)
        ranks = state.ranks.copy()
        ranks[growing] += 1
        grown = tuple((state.round, i, float(state.scores[i])) for i in growing)
        state = replace(state, ranks=ranks, grown=state.grown + grown, has_ended=not growing)
        for i in growing:
            self._add_reserve(state, i)
        return state

    # parts of a round

    def _published(self, i, vectors, images, fits):
        """b, f, bᵀSb and the length of Sb − (bᵀSb)b of this rank's workers of a module."""
        self.images[i] = images
        values = np.einsum("kq,kq->k", vectors, images)
        errors = np.linalg.norm(images - values[:, None] * vectors, axis=1)
        return vectors, fits, values, errors

    def _told(self, published):
        """What all workers publish, by the names of the state. Collective."""
        return dict(zip(("vectors", "fits", "values", "errors"), self.layout.gathered(published)))

    def _combine(self, before, vectors, i, rank):
        """u_k = b_k − Σ_j u_j(before)·(b_j(before)ᵀb_k) over superiors j: a = C⁻¹D u."""
        along = np.tril(vectors @ before[:rank].T, -1)
        self.sources[i] = vectors - along @ self.sources[i][:rank]

    def _measured(self, state, is_new=False):
        """The state with what homes tell of their modules; the rule observes each round that
        ``is_new``. Collective.
        """
        widths = [len(each) for each in state.vectors]
        told = [self._figures(state, i, is_new) for i in self.here]
        sent = np.concatenate(told) if told else np.zeros(0)
        edges = np.cumsum([0, *(w * w + 4 for w in widths)])
        whole = self.exchange.gather_small(sent, self.homes.edges(np.diff(edges)))
        grams = [whole[a:][: w * w].reshape(w, w) for a, w in zip(edges, widths)]
        taken, gains, disorder, scores = np.array([whole[b - 4 : b] for b in edges[1:]]).T
        return replace(
            state, grams=grams, taken=taken, gains=gains, disorder=disorder, scores=scores
        )

    def _figures(self, state, i, is_new):
        """The Gram matrix of a module at home here, and four figures: (w² + 4)."""
        module, home, own = self.modules[i], self.here[i], self._worked(state, i)
        if is_new:
            self.rule.observe(module, home, own)
        score = self.rule.score(module, home, own) if self._is_due(state.round) else 0.0
        off = orthonormality_error(own.vectors[: own.rank])
        return np.concatenate([own.gram.reshape(-1), [own.taken, own.gain, off, score]])

    def _worked(self, state, i):
        vectors, fits, sources = state.vectors[i], state.fits[i], self.sources[i]
        gram = sources @ fits.T
        symmetric = (gram + gram.T) / 2
        rank = state.ranks[i]
        return Worked(rank, vectors, fits, sources, symmetric, averages=self.averages[i])

    def _add_reserve(self, state, i):
        """Put the next vector of the seed behind the pairs of module i, unless it has all that it
        may have.
        """
        k, q = len(state.vectors[i]), self.modules[i].facts.targets
        if k == self.limits[i]:
            return
        vector = self.start(i, k)
        state.vectors[i] = np.vstack([state.vectors[i], vector])
        state.fits[i] = np.vstack([state.fits[i], np.zeros((1, q))])
        state.values[i] = np.append(state.values[i], 0.0)
        state.errors[i] = np.append(state.errors[i], 0.0)
        state.grams[i] = np.pad(state.grams[i], (0, 1))
        if i in self.here:
            self.sources[i] = np.vstack([self.sources[i], np.zeros((1, q))])
        if self.layout.hire(i) == self.exchange.rank:
            images = self.modules[i].apply(vector)
            self.images[i] = np.vstack([self.images.get(i, images[:0]), images])

    def _no_workers(self):
        return Layout([each.facts.targets for each in self.modules], self.exchange)

    def _is_due(self, round):
        since = round - self.config.warm_up
        return since >= 0 and since % self.config.grow_every == 0

    def start(self, i, k):
        """Return the unit vector (1, q) that pair k of module i begins with."""
        drawn = stream(self.config.seed, i, k).standard_normal((1, self.modules[i].facts.targets))
        return drawn / np.linalg.norm(drawn)

    def has_grown(self, state):
        """Whether no module will grow any more, unless reserves become better."""
        is_full = state.ranks.sum() >= self.config.budget or (state.ranks >= self.limits).all()
        return bool(is_full or state.has_ended)

    # beginnings

    def begin(self):
        """Return the state before the first round: a pair in each model. Collective."""
        count = len(self.modules)
        vectors = [self.start(i, 0) for i in range(count)]
        nothing = [np.zeros(each.shape) for each in vectors]
        return self.take_up(State(0, np.ones(count, int), vectors, nothing, [], []), nothing)

    def go_on_from(self, vectors):
        """Return the state whose models have ``vectors`` (r_i, q_i), orthonormal: so the pairs of
        each are those of its S. Collective.
        """
        fits = [each.apply(rows) for each, rows in zip(self.modules, vectors)]
        ranks = np.array([len(each) for each in vectors])
        return self.take_up(State(0, ranks, vectors, fits, [], []), vectors)

    def take_up(self, state, sources):
        """Return a ``state`` of which vectors and fits are known, and ``sources`` (w_i, q_i), with
        all that follows from them. Collective.
        """
        self.layout, self.images = self._no_workers(), {}
        self.sources = {i: sources[i] for i in self.here}
        for i, each in enumerate(state.vectors):
            for _ in each:
                self.layout.hire(i)
        published = {}
        for i, own in self.layout.own.items():
            vectors = state.vectors[i][own]
            images = self.modules[i].apply(vectors)
            published[i] = self._published(i, vectors, images, state.fits[i][own])
        state = self._measured(replace(state, **self._told(published)))
        for i, each in enumerate(state.vectors):
            if len(each) == state.ranks[i]:
                self._add_reserve(state, i)
        return state
