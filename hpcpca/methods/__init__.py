"""Methods: ``step`` makes the next state from a state.

The other ranks and Σ are given: ``exchange`` and ``operator``. A method holds the panels that its
ranks share, so states are stepped in order; every class says what it holds.
"""
