"""When an estimate is worth a pass over all rows that measures it."""

from .ritz_exchange import DONE

LONGER = 1.5  # times the rounds after which it was measured in vain: so the passes stay few, whatever estimates say


class Promising:
    """Says yes to an estimated state whose first ``components`` are within the tolerance, but not soon after one that did not hold, and to that of round ``last``."""

    def __init__(self, components, tol, last):
        self._components, self._tol, self._last, self._not_before = components, tol, last, 0

    def __call__(self, state):
        """Whether to measure."""
        if state.round < self._last and (state.round < self._not_before or state.residuals[:self._components].max() > DONE * self._tol):
            return False
        self._not_before = LONGER * state.round
        return True
