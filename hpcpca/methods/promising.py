"""When an estimate is worth a pass over all rows that measures it."""

from .ritz_exchange import DONE

# times the rounds after which it was measured in vain: so the passes stay few, whatever estimates
# say
LONGER = 1.5


class Promising:
    """Says yes to an estimated state that has reached its ``goals``, but not soon after one that
    did not hold.

    It always says yes to that of round ``last``.
    """

    def __init__(self, goals, last):
        self._goals, self._last, self._not_before = goals, last, 0

    def __call__(self, state, rounding):
        """Whether to measure. ``rounding`` is the operator's."""
        late = (state.residuals > DONE * self._goals(state.eigenvalues, rounding))[
            : self._goals.components
        ]
        if state.round < self._last and (state.round < self._not_before or late.any()):
            return False
        self._not_before = LONGER * state.round
        return True
