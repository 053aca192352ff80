"""When an estimate is worth a pass over all rows that measures it."""

from dataclasses import dataclass

from ..linalg.determination import Goals
from .ritz_exchange import DONE

# times the rounds after which it was measured in vain: so the passes stay few, whatever estimates
# say
LONGER = 1.5


@dataclass(frozen=True)
class Measuring:
    """Asks for a pass if an estimated state has reached the ``goals``, but not soon after one that
    was measured and had not; and always in round ``last``.
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
