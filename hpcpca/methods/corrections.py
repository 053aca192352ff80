"""Correction equations on a sample: where each worker of the Ritz exchange looks besides its own
residual (Sleijpen and van der Vorst, SIAM J. Matrix Anal. 17, 1996: Jacobi–Davidson).

Worker k solves (I − VVᵀ)(Σ_s − θ_k)(I − VVᵀ)t = −r_k, t ⊥ V, with the covariance Σ_s of a sample in
place of Σ and its residual r_k, which is exact. That takes no reading. v_k + t_k misses what the
sample does not know of Σ only: errors shrink by about ‖Σ − Σ_s‖ over the gap in a round, where a
residual alone gains what one more power of Σ gives. The Rayleigh–Ritz step over all history stays
what it is, so answers are exact whatever the directions.
"""

from dataclasses import dataclass

import numpy as np

from ..linalg.minres import minres
from ..linalg.orth import orthonormal_rows
from ..linalg.ritz import rayleigh_ritz
from ..options import AUTO, Settings, option
from ..partition import offsets_among

# of MINRES a round: 12 give no fewer passes on any of the spectra of docs/methods.md, 3 one more on
# some
STEPS = 6
# corrections alone are published at first if they are expected to leave this part of the residuals
PROMISING = 0.2
# the largest residual has to shrink to this part of itself in a round of one kind of directions, or
# both are compared again
ENOUGH = 0.3
TINY = np.finfo(float).tiny
RESIDUALS, CORRECTIONS, BOTH = "residuals", "corrections", "both"
CHOICES = (AUTO, "on", "off")


@dataclass(frozen=True)
class CorrectionSettings(Settings):
    """Ritz exchange"""

    corrections: str | None = option(
        "Directions by correction equations on sampled rows: auto (default) if that is expected to"
        " be quicker, keeping to what gains more; on: those alone; off: residuals alone.",
        choices=CHOICES,
        by_problem=True,
    )


class Corrections:
    """The directions of a Ritz exchange of ``count`` workers that has a ``sample`` of Σ.

    In a round workers publish corrections, residuals, or both. ``kind`` says which. If it is None,
    they begin with corrections if these are ``PROMISING``, else with both, which never needs more
    passes than either; then they publish what gained more of both, and both again once that is not
    ``ENOUGH``. What is published and how much it gained is held from round to round.
    """

    def __init__(self, sample, exchange, count, kind=None):
        self.sample, self._exchange, self._kind = sample, exchange, kind
        self._known = exchange.panel(count, sample.d)  # the Ritz vectors of all
        self._laid = 0  # corrections of this round
        self.begin_again()

    def begin_again(self):
        """Find out anew what to publish, after the operator has changed."""
        self._current, self._worst, self._found = self._kind, np.inf, None

    def decide(self, method, state, active):
        """Decide what ``active`` workers (m) publish now; return how many directions that is.
        Collective.
        """
        wanted, count = slice(method.goals.components), int(active.sum())
        goals = method.goals(state.eigenvalues, method.operator.rounding)[wanted]
        worst = float((state.residuals[wanted] / np.maximum(goals, TINY)).max())
        gained, self._worst = worst <= ENOUGH * self._worst, worst
        if self._kind is None and not gained:
            self._current = BOTH
        self._found = None
        if self._current != RESIDUALS:
            self._found = self._solved(method, state, active)
        if self._current is None:
            left = self._left(method, state, active)
            self._current = CORRECTIONS if left <= PROMISING else BOTH
        if self._current == BOTH and not method.has_room(2 * count):
            self._current = CORRECTIONS if self._laid == 0 else RESIDUALS  # in turn
        return 2 * count if self._current == BOTH else count

    def lay(self, method, state, active):
        """Put the directions of ``active`` workers (m) of ``method`` into the free rows of its
        basis; return how many they are. Collective.
        """
        self._laid = 0
        if self._current != RESIDUALS:
            self._laid = method.lay(*self._found)
        if self._current == CORRECTIONS:
            return self._laid
        return self._laid + method.lay_residuals(state.next, active, self._laid)

    def _solved(self, method, state, active):
        """This rank's corrections (r, d), and who has how many of all (ranks + 1). Collective."""
        exchange, everybody = self._exchange, self._exchange.grid.offsets(method.count)
        offsets = offsets_among(active, everybody)
        own, values = active[method.own], state.eigenvalues[method.own][active[method.own], None]
        self._known.fence()  # all have used the vectors that were there
        known = exchange.publish(state.vectors, self._known, everybody)
        residuals = state.images[own] - values * state.vectors[own]

        def outside(rows):
            rows -= (rows @ known.T) @ known
            return rows

        def shifted(rows):
            return outside(self.sample.images(rows, offsets)) - values * rows

        with exchange.counters.time("corrections"):
            return outside(minres(shifted, outside(-residuals), STEPS)), offsets

    def _left(self, method, state, active):
        """What part of a residual corrections are expected to leave, at most. Collective.

        That of v is (Σ − Σ_s)v, that of v + t is (Σ − Σ_s)t, and a sample errs by the root of the
        variance along a vector: √(tᵀΣ_s·t/θ).
        """
        own, offsets = self._found
        numbers = np.arange(method.own.start, method.own.stop)[active[method.own]]
        variances = np.einsum("kd,kd->k", own, self.sample.images(own, offsets))
        parts = np.maximum(variances, 0) / np.maximum(state.eigenvalues[numbers], TINY)
        parts = parts[numbers < method.goals.components]
        return self._exchange.maximum(np.sqrt(parts.max(initial=0.0)))

    def compare(self, method, state, active, before, mixed):
        """Find out which of both kinds of directions gained more, once the images of all are
        known: of a basis with ``before`` rows and the combinations ``mixed`` (c, a) of the
        directions that were laid. Collective.
        """
        if self._kind is not None or self._current != BOTH:
            return
        wanted = np.flatnonzero(active[: method.goals.components])
        places = np.linalg.pinv(mixed)  # (a, c): what the directions are in the new rows

        def lost():
            best = rayleigh_ritz(method.projected, method.count)[0]
            gains = np.maximum(best - state.eigenvalues, TINY)
            found = [
                (best - self._values(method, before, part))[wanted] / gains[wanted]
                for part in (places[: self._laid], places[self._laid :])
            ]
            return [np.array([each.max(initial=0.0) for each in found])]

        by_corrections, by_residuals = self._exchange.from_root(lost, 2)[0]
        self._current = CORRECTIONS if by_corrections < by_residuals else RESIDUALS

    @staticmethod
    def _values(method, before, places):
        """Ritz values (m) with no directions but those at ``places`` (a, c) in the new rows."""
        inside = orthonormal_rows(places)
        chosen = np.zeros((before + len(inside), len(method.projected)))
        chosen[:before, :before] = np.eye(before)
        chosen[before:, before:] = inside
        return rayleigh_ritz(chosen @ method.projected @ chosen.T, method.count)[0]
