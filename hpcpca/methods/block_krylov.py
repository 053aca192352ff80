"""Block Krylov: Rayleigh–Ritz on [V, ΣV, Σ²V, …], orthonormalised block by block (Musco & Musco,
arXiv 1504.05477).
"""

from .method import panel_method, register
from .ritz_exchange import HistorySettings, RitzExchange, WarmStartSettings


class BlockKrylov(RitzExchange):
    """The next block is the last one's images, whether workers have converged or not; after a thick
    restart it is the Ritz vectors' residuals.

    The method holds, beside the basis, where the last block begins in it.
    """

    def _reset(self):
        super()._reset()
        self._last = None  # row of the basis

    def _restart(self):
        super()._restart()
        self._last = None

    def _directions(self, state):
        if self._last is None:
            self._last = self.size
            return state.next.own.copy(), self.exchange.grid.offsets(self.count)
        first, self._last = self._last, self.size
        block = self.basis_images.array[first : self.size]
        own = self.exchange.owned(len(block))
        return block[own].copy(), self.exchange.grid.offsets(len(block))


register("block-krylov", "ritz", panel_method(BlockKrylov), (HistorySettings, WarmStartSettings))
