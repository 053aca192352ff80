"""How fast this machine computes and reads: measured once, kept in the user's cache, or typical
figures.
"""

import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from ..operators.cost import Rates

BLOCK = 256  # rows multiplied at a time
MEASURED = "skinny4", "skinny8", "large4", "large8"  # of what a core does


def _cache():
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(folder) / "hpcpca" / f"rates-{platform.node()}-numpy{np.__version__}.json"


def cached_rates():
    """Rates measured here before, or typical ones."""
    try:
        kept = json.loads(_cache().read_text(encoding="utf-8"))
        return Rates(**{name: kept[name] for name in MEASURED}, is_measured=True)
    except (OSError, ValueError, TypeError, KeyError):
        return Rates()


def measured_rates():
    """Rates of this machine: from the cache, or measured now (about two seconds) and kept."""
    known = cached_rates()
    if known.is_measured:
        return known
    found = Rates(
        *(_skinny(t) for t in (np.float32, np.float64)),
        *(_large(t) for t in (np.float32, np.float64)),
        is_measured=True,
    )
    from ..kernels.store import make

    try:
        make(_cache().parent)
        kept = {name: getattr(found, name) for name in MEASURED}
        _cache().write_text(json.dumps(kept), encoding="utf-8")
    except OSError:
        pass  # measured again next time
    return found


def _best(action, flops, seconds=0.4):
    """Flop/s of the quickest run within ``seconds``, on one thread, by the time that it computed:
    what is kept must not depend on what else ran then.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        action()  # loads kernels, touches memory
        best, end = np.inf, time.perf_counter() + seconds
        while best == np.inf or time.perf_counter() < end:
            begun = time.thread_time()
            action()
            best = min(best, time.thread_time() - begun)
    return flops / best


def _skinny(dtype):
    from ..kernels import compiled

    rows, panel, out = (
        np.ones((64 * BLOCK, 2000), dtype),
        np.ones((32, 2000), dtype),
        np.zeros((32, 2000)),
    )  # past the caches

    def one_pass():
        for start in range(0, len(rows), BLOCK):
            compiled.gram_product(rows[start : start + BLOCK], panel, out)

    return _best(one_pass, 4 * rows.size * len(panel))


def _large(dtype):
    tile = np.ones((1024, 1024), dtype)
    return _best(lambda: tile.T @ tile, tile.size * 1024)
