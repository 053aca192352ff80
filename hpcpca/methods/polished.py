"""Mini-batches first, then exact passes from what they leave (``--polish``)."""

import numpy as np

POLISHING = "polishing"  # in the memory of states that are of exact passes


class Polished:
    """``sampled`` until it is measured, because it says it is good enough or after its last
    round; then ``exact``. The memory of a state tells which of them it is of.
    """

    measures_at_once = True

    def __init__(self, sampled, exact):
        self.sampled, self.exact, self.own = sampled, exact, sampled.own

    def _method_of(self, state):
        return self.exact if POLISHING in state.memory else self.sampled

    def is_orthonormal(self, state):
        """As the method that the state is of."""
        return self._method_of(state).is_orthonormal(state)

    def initialize(self, vectors, images=None, round=0, memory=None):
        """As the method that the ``memory`` of a run is of. Collective."""
        memory = memory or {}
        if POLISHING not in memory:
            return self.sampled.initialize(vectors, images, round, memory)
        state = self.exact.initialize(vectors, images, round)
        return self._polishing(state if images is not None else self.exact.step(state))

    def take_up(self, state, own, count):
        """As the method that the state is of."""
        return self._method_of(state).take_up(state, own, count)

    def step(self, state):
        """One round of either. Collective."""
        if self._method_of(state) is self.exact:
            return self._polishing(self.exact.step(state))
        state = self.sampled.step(state)
        if state.estimated:
            return state
        if self.sampled.is_orthonormal(state):
            return self._polishing(self.exact.initialize(state.vectors, state.images, state.round))
        start = self.exact.initialize(state.vectors, None, state.round)
        return self._polishing(self.exact.step(start))

    def _polishing(self, state):
        """The state, marked as one of exact passes."""
        state.memory = {POLISHING: np.ones((len(state.vectors), 1))}
        return state

    def remeasure(self, state):
        """As the method that the state is of. Collective."""
        measured = self._method_of(state).remeasure(state)
        return self._polishing(measured) if POLISHING in state.memory else measured

    def orthonormality(self, state, count):
        """As the method that the state is of. Collective."""
        return self._method_of(state).orthonormality(state, count)
