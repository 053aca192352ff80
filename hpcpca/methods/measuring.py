"""When a state that was estimated from mini-batches is measured by a pass over all rows."""

from dataclasses import dataclass

from ..linalg.determination import Goals
from .ritz_exchange import DONE

# times the round that was measured in vain: so passes stay few, whatever the estimates say
LONGER = 1.5


@dataclass(frozen=True)
class Measuring:
    """An estimated state is measured if it has reached the ``goals``, but not soon after one that
    was measured in vain; and always in round ``last``.
    """

    goals: Goals
    last: int

    def is_due(self, state, rounding):
        """Whether to measure an estimated state; ``rounding`` is the operator's."""
        if state.round >= self.last:
            return True
        goals = self.goals(state.eigenvalues, rounding)
        late = (state.residuals > DONE * goals)[: self.goals.components]
        return state.round >= LONGER * state.last_measured and not late.any()
