"""Adapters trained in JAX: by parallel deflation over ranks, and the ways that it is compared with.
Extra [train].
"""

from .ada_lora import AdaLoRA
from .discovery import Discovery
from .growth import Growth
from .incre_lora import IncreLoRA
from .lora import LoRA
from .parallel_deflation import ParallelDeflation
from .schedules import Schedule

__all__ = ["AdaLoRA", "Discovery", "Growth", "IncreLoRA", "LoRA", "ParallelDeflation", "Schedule"]
