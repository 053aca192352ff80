"""Who gets the next pair: rules that score the reserves.

A rule's ``score(module, home, own)`` is about one module, at its home; a module grows only if its
score is above zero. ``observe`` is told of every round. ``own`` is a ``Worked`` module.
"""

from dataclasses import dataclass, field

import numpy as np

from ...errors import UsageError

ABOVE = 1.5  # times what noise gives
ERRORS = 2.0  # standard errors
KEPT = 0.85  # of averages over rounds, in IncreLoRA's code


@dataclass
class Worked:
    """A module's pairs as published last, at its home.

    The reserve is the last of the w pairs, if ``rank`` < w.
    """

    rank: int  # pairs in the model
    vectors: np.ndarray  # (w, q) b
    fits: np.ndarray  # (w, q) f = Dᵀa
    sources: np.ndarray  # (w, q) u, with a = C⁻¹D u
    gram: np.ndarray  # (w, w) AᵀCA
    averages: np.ndarray = field(default_factory=lambda: np.zeros(2))  # of importance

    @property
    def along(self):
        """What the reserve's b has of b of the model: (rank)."""
        return self.vectors[: self.rank] @ self.vectors[self.rank]

    @property
    def gain(self):
        """g = 2aᵀ(Db − CABᵀb) − aᵀCa of the reserve: what it takes off twice the loss."""
        if len(self.vectors) == self.rank:
            return 0.0
        k = self.rank
        crossed = float(self.fits[k] @ self.vectors[k] - self.gram[k, :k] @ self.along)
        return max(0.0, 2 * crossed - float(self.gram[k, k]))

    @property
    def taken(self):
        """What the pairs of the model take off twice the loss."""
        vectors, k = self.vectors[: self.rank], self.rank
        crossed = float((self.fits[:k] * vectors).sum())
        return 2 * crossed - float((self.gram[:k, :k] * (vectors @ vectors.T)).sum())


class Gain:
    """What the reserve takes off the loss: θ² once it is trained.

    The budget counts pairs, not parameters. So the least loss at a budget has every module's first
    θ, and of the others the largest θ² over all modules; this rule goes for just these.
    """

    needs = ()

    def check(self, name, facts):
        """Raise UsageError if the rule cannot judge a module."""

    def observe(self, module, home, own):
        """Nothing is kept from round to round."""

    def score(self, module, home, own):
        """g, undivided, in the data's own units."""
        return own.gain * module.facts.unit


class Edge(Gain):
    """g over the largest θ² that white noise gives, σ²(√d + √q)², where that is above ``ABOVE``.

    σ² is what the model leaves over: 2·loss / (q·(n − 1 − d)).
    """

    def check(self, name, facts):
        """Raise UsageError if no rows are left to measure noise by."""
        if facts.freedom <= 0:
            raise UsageError(
                f"--grow edge: module {name} has {facts.n} rows for inputs of rank {facts.rank}:"
                " none are left to measure noise by; give more rows, or --grow held-out"
            )

    def score(self, module, home, own):
        """The ratio; 0 where noise would do."""
        at = module.facts
        noise = max(0.0, at.total - own.taken) / (at.targets * at.freedom)
        edge = noise * (np.sqrt(at.rank) + np.sqrt(at.targets)) ** 2
        # of exact targets all that is more than rounding is above any noise
        edge = max(edge, at.total * max(at.rounding, np.finfo(float).eps))
        ratio = own.gain / edge
        return ratio if ratio > ABOVE else 0.0


class HeldOut(Gain):
    """g on rows kept back, where it is more than ``ERRORS`` standard errors."""

    needs = ("kept",)

    def score(self, module, home, own):
        """That g, undivided; 0 where it is not sure."""
        if len(own.vectors) == own.rank:
            return 0.0
        kept, k = home.kept, own.rank
        scores = kept.x @ (own.sources @ home.coefficients.T).T
        rest = kept.y @ own.vectors[k] - scores[:, :k] @ own.along
        gains = scores[:, k] * (2 * rest - scores[:, k])
        error = np.sqrt(len(gains)) * gains.std(ddof=1) if len(gains) > 1 else np.inf
        gain = float(gains.sum())
        if not gain > ERRORS * error:
            return 0.0
        return gain * module.facts.unit / module.facts.divisor


class Importance(Gain):
    """IncreLoRA's signal: W∘∂L/∂W of the model, summed, and how much that changes, both averaged
    over rounds. It gives more to those that have more.
    """

    needs = ("cross",)

    def observe(self, module, home, own):
        """S = Σ|W∘G|/√(dq); I ← .85 I + .15 S; U ← .85 U + .15 |S − I|."""
        k, at = own.rank, module.facts
        inner = own.sources[:k].T @ own.vectors[:k]
        gradient = home.cross @ inner - home.cross
        size = float(np.abs((home.coefficients @ inner) * gradient).sum())
        signal = at.unit * size / np.sqrt(at.inputs * at.targets)
        average = KEPT * own.averages[0] + (1 - KEPT) * signal
        own.averages[1] = KEPT * own.averages[1] + (1 - KEPT) * abs(signal - average)
        own.averages[0] = average

    def score(self, module, home, own):
        """I·U."""
        return float(own.averages[0] * own.averages[1]) if len(own.vectors) > own.rank else 0.0


RULES = {"gain": Gain, "edge": Edge, "held-out": HeldOut, "importance": Importance}


def chosen(scores, left, most):
    """Return the modules that grow, the largest of the ``scores`` (N) above zero first, ties to the
    lower number: ``most`` at a time, and no more than are ``left``.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    return [int(each) for each in order[: max(0, min(left, most))] if scores[each] > 0]
