"""Compiles kernels once per machine, before many ranks need them at once."""

import hashlib
import os
from pathlib import Path

import numba
import numpy as np

from . import convert, moments, panel


def compilations(dtype):
    """Yield calls of all kernels that data of ``dtype`` need: each has Numba compile one, or
    load it from its cache.
    """
    rows, row = np.ones((3, 2), dtype), np.ones(2, dtype)
    exact = dtype.kind in "iu" and dtype.itemsize == 8
    for work in (np.float32, np.float64) if dtype.itemsize <= 4 else (np.float64,):
        shift, one = row if exact else row.astype(work), np.dtype(work).type(1)
        tile = np.ones((3, 2), work)
        yield lambda: convert.scaled_deviations(rows, shift, one, tile)
        yield lambda: moments.accumulate(tile, 0, np.zeros(2), np.zeros(2))
        yield lambda: moments.add_sums(tile, np.zeros((2, 2)))
        yield lambda: panel.gram_product(tile, tile, np.zeros((3, 2)))
        yield lambda: panel.shifted_gram_product(rows, shift, one, tile[:1], tile, np.zeros((1, 2)))
        yield lambda: panel.add_to(np.zeros((3, 2)), tile)
    yield lambda: moments.merge(1, np.zeros(2), np.zeros(2), 1, np.zeros(2), np.zeros(2))


def marker(dtype):
    """File beside Numba's own cache that says: kernels of this version, for this type and
    processor, are in it.
    """
    folder = Path(__file__).parent
    digest = hashlib.sha256(
        repr(
            (numba.__version__, np.dtype(dtype).str, numba.config.CPU_NAME, os.uname().machine)
        ).encode()
    )
    for source in sorted(folder.glob("*.py")):
        digest.update(f"{source.name}{source.stat().st_mtime_ns}".encode())
    return Path(panel.add_to.stats.cache_path) / f"warm-{digest.hexdigest()[:16]}"


def is_warm(dtype):
    """Whether the kernels for ``dtype`` were compiled here before; a wrong yes costs time only."""
    return marker(dtype).exists()


def warm_up(dtype, halt=lambda: False):
    """Compile or load the kernels for ``dtype`` and say so to those who come later; end early
    where ``halt()`` says so.
    """
    for call in compilations(np.dtype(dtype)):
        if halt():
            return
        call()
    try:
        marker(dtype).parent.mkdir(parents=True, exist_ok=True)
        marker(dtype).touch()
    except OSError:
        return  # no place to keep a cache: every run compiles
