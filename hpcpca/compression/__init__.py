"""Low-rank compression: means over workers of gradients and other matrices, through a few vectors.

A library for mpi4py programs: a compressor takes {name: array} and returns their means.
"""

from .ad_statistics import DAD, RankDAD
from .all_reduce import AllReduce
from .best_rank import BestRank
from .entries import RandomBlock, RandomK, TopK
from .parallel_deflation import ParallelDeflation
from .power_sgd import PowerSGD
from .sgd import SGD
from .sign_norm import SignNorm
from .storing import load, save
from .unbiased_rank import UnbiasedRank

__all__ = [
    "DAD",
    "SGD",
    "AllReduce",
    "BestRank",
    "ParallelDeflation",
    "PowerSGD",
    "RandomBlock",
    "RandomK",
    "RankDAD",
    "SignNorm",
    "TopK",
    "UnbiasedRank",
    "load",
    "save",
]
