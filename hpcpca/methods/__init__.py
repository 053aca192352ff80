"""Methods as pure steps, state → state.

What they need of the other ranks is injected (``exchange``, ``operator``).
"""
