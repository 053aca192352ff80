"""Compiles kernels once per machine, before many ranks need them at once."""

import numpy as np

from . import convert, moments, panel, vector


def compile_kernels(dtype):
    """Call every kernel that data of ``dtype`` need, so that Numba compiles it or loads it from its cache."""
    dtype = np.dtype(np.float32) if dtype == np.float16 else dtype
    rows, row = np.ones((3, 2), dtype), np.ones(2, dtype)
    exact = dtype.kind in "iu" and dtype.itemsize == 8
    for work in (np.float32, np.float64) if dtype.itemsize <= 4 else (np.float64,):
        shift = row if exact else row.astype(work)
        tile = np.empty((3, 2), work)
        convert.scaled_deviations(rows, shift, np.dtype(work).type(1), tile)
        moments.accumulate(tile, 0, np.zeros(2), np.zeros(2))
        vector.gram_vector(tile, tile[0], np.zeros(2))
        panel.add_to(np.zeros((3, 2)), tile)
    if dtype == np.float32:  # moments are taken in float64
        convert.scaled_deviations(rows, row.astype(np.float64), 1.0, np.empty((3, 2)))
    moments.merge(1, np.zeros(2), np.zeros(2), 1, np.zeros(2), np.zeros(2))
    vector.deflate(np.ones(2), np.ones(2), np.ones((1, 2)), np.ones(1))
