"""Streaming mean and variance: Chan, Golub and LeVeque's merge, in float64."""

import numpy as np

from .jit import compiled


def merge(count, mean, squares, other_count, other_mean, other_squares):
    """Merge the moments of two sets of rows into the first, in place; return the joint count.

    mean (d) and squares (d), the sums of squared deviations from the mean, float64 (Chan et al.
    1979).
    """
    total = count + other_count
    if other_count > 0:
        part, weight = other_count / total, count * other_count / total
        _merge(mean, squares, other_mean, other_squares, part, weight)
    return total


@compiled
def _merge(mean, squares, other_mean, other_squares, part, weight):
    """``merge``; the gap of the means counts with ``part``, its square with ``weight``."""
    for j in range(mean.shape[0]):
        gap = other_mean[j] - mean[j]
        mean[j] += gap * part
        squares[j] += other_squares[j] + gap * gap * weight


def accumulate(tile, count, mean, squares):
    """Merge the rows of a tile (r, d) float32 or float64 into the moments, in place; return the
    joint count.
    """
    tile_mean, tile_squares = np.zeros(len(mean)), np.zeros(len(mean))
    _moments(tile, tile_mean, tile_squares)
    return merge(count, mean, squares, len(tile), tile_mean, tile_squares)


@compiled
def _moments(tile, mean, squares):
    """mean (d) and squares (d), zeros before, become those of a tile.

    Two passes over the tile while it is in cache: its own mean first, then deviations from that, so
    nothing cancels.
    """
    r, d = tile.shape
    for i in range(r):
        row = tile[i]
        for j in range(d):
            mean[j] += row[j]
    for j in range(d):
        mean[j] /= r
    for i in range(r):
        row = tile[i]
        for j in range(d):
            gap = row[j] - mean[j]
            squares[j] += gap * gap


@compiled
def add_sums(tile, sums):
    """sums (2, d) += sums and sums of squares of the columns of a tile (r, d), float64.

    Meant for rows whose mean is near 0 already, where one sweep does not cancel.
    """
    first, second = sums[0], sums[1]
    for i in range(tile.shape[0]):
        row = tile[i]
        for j in range(row.shape[0]):
            value = np.float64(row[j])
            first[j] += value
            second[j] += value * value
