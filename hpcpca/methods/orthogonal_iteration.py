"""Orthogonal (subspace) iteration: V ← qr(ΣV) with guards, and Rayleigh–Ritz on what it spans
(Saad 2011, algorithm 5.3).
"""

from dataclasses import replace

from .method import panel_method, register
from .ritz_exchange import RitzExchange
from .ritz_settings import WarmStartSettings


class OrthogonalIteration(RitzExchange):
    """No history: every round's basis is the panel's images, orthonormalised.

    Rayleigh–Ritz does not change the spans; with it a round shows what the run would give if it
    ended there.
    """

    def _make_room(self, count):
        self._reset()

    def _rayleigh_ritz(self, round):
        # a copy forms its vectors now: the next round begins by overwriting what they are formed of
        return replace(super()._rayleigh_ritz(round))

    def _lay_directions(self, state, active):
        own = state.images if state.has_images else state.next.own
        return self.lay(own, self.exchange.grid.offsets(self.count))


register("orthogonal-iteration", "ritz", panel_method(OrthogonalIteration), (WarmStartSettings,))
