"""Adapters of frozen networks: a few rank-one pairs beside every weight matrix.

``training`` makes them by parallel deflation (extra [train]), ``extraction`` takes them out of a
network that was fine-tuned whole, ``peft`` writes and reads them as peft does.
"""

from .adapter import Adapter

__all__ = ["Adapter"]
