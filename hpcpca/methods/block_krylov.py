"""Block Krylov: Rayleigh–Ritz on [V, ΣV, Σ²V, …], orthonormalised block by block (Musco & Musco,
arXiv 1504.05477).
"""

import numpy as np

from .method import panel_method, register
from .ritz_exchange import RitzExchange
from .ritz_settings import HistorySettings, WarmStartSettings


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

    def _lay_directions(self, state, active):
        first, self._last = self._last, self.size
        if first is None:
            return self.lay_residuals(state.next, np.ones(self.count, bool))
        block = self.basis_images.array[first : self.size, self.columns]
        self.basis.array[self.size : self.size + len(block), self.columns] = block
        return len(block)


register("block-krylov", "ritz", panel_method(BlockKrylov), (HistorySettings, WarmStartSettings))
