"""The methods that users choose from: a line for each file that registers some."""

from . import (  # noqa: F401 – each registers itself
    block_krylov,
    eigengame,
    mini_batches,
    orthogonal_iteration,
    parallel_deflation,
    parallel_rank_one_deflation,
    ritz_exchange,
    sequential_deflation,
    window_exchange,
)
from .method import METHODS, MINI_BATCHES

DEFAULT = "parallel-deflation"
NAMES = (DEFAULT, *sorted({name for name, _ in METHODS} - {DEFAULT}))
EXCHANGES = ("ritz", "vectors", "window")  # a method's usual one is the first that it has


def _in_order(methods):
    return [methods[key] for key in sorted(methods, key=lambda key: (NAMES.index(key[0]), key[1]))]


PARTS = tuple(
    dict.fromkeys(
        part for kind in (*_in_order(METHODS), *_in_order(MINI_BATCHES)) for part in kind.settings
    )
)
