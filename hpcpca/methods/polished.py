"""Mini-batches first, then exact passes from what they leave (``--polish``)."""

import numpy as np


class Polished:
    """``sampled`` until it is measured, because it says it is good enough or after its last
    round; then ``exact``.
    """

    measures_at_once = True

    def __init__(self, sampled, exact):
        self.sampled, self.exact, self.own, self._now = sampled, exact, sampled.own, sampled

    @property
    def is_orthonormal(self):
        """Whether the vectors of the method whose turn it is are."""
        return self._now.is_orthonormal

    def initialize(self, vectors, images=None, round=0, memory=None):
        """As the method whose turn it is, which the ``memory`` of a run tells. Collective."""
        memory = dict(memory or {})
        if memory.pop("polishing", None) is not None:
            self._now = self.exact
            state = self.exact.initialize(vectors, images, round)
            return self._marked(state if images is not None else self.exact.step(state))
        return self.sampled.initialize(vectors, images, round, memory)

    def take_up(self, state, own, count):
        """As the method whose turn it is."""
        return self._now.take_up(state, own, count)

    def step(self, state):
        """One round of either. Collective."""
        if self._now is self.exact:
            return self._marked(self.exact.step(state))
        state = self.sampled.step(state)
        if state.estimated:
            return state
        self._now = self.exact
        if self.sampled.is_orthonormal:
            return self._marked(self.exact.initialize(state.vectors, state.images, state.round))
        return self._marked(
            self.exact.step(self.exact.initialize(state.vectors, None, state.round))
        )

    def _marked(self, state):
        state.memory = {"polishing": np.ones((len(state.vectors), 1))}
        return state

    def remeasure(self, state):
        """As the method whose turn it is. Collective."""
        return (
            self._marked(self.exact.remeasure(state))
            if self._now is self.exact
            else self.sampled.remeasure(state)
        )

    def orthonormality(self, state, count):
        """As the method whose turn it is. Collective."""
        return self._now.orthonormality(state, count)
