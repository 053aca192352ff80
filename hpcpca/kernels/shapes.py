"""Shapes of what the panel product works in, by the sizes of caches and registers."""

from dataclasses import dataclass
from functools import lru_cache

from .caches import cache_bytes

ROWS = 252  # summed up in the type of the tile: errors of such sums grow with their length
FEWEST = 48  # rows of a tile, or adding to Z costs too much;
PER_VECTOR = 8, 24  # and of long rows so many a vector and at least: they are read twice
BLOCK_BYTES = cache_bytes(1) // 12  # of a row: six rows and four vectors are in the first cache
TILE_BYTES = cache_bytes(2) // 5  # where rows come along at the same time
LARGEST_TILE = cache_bytes(2) // 2


@dataclass(frozen=True)
class Registers:
    """Of how many bytes one is, how many a strip of columns has, and rows that are taken at a
    time.
    """

    bytes: int
    strip: int
    group: int


LARGEST = Registers(64, 3, 6)  # of all processors: shapes are padded to them


@lru_cache
def product_shapes(rows, d, m, item, registers):
    """Shapes of a packed panel (blocks, m, columns), of tiles (1 or blocks, r, columns) and of sums
    (r, m), for a product of so many rows (at most ``ROWS`` at a time) of d elements of ``item``
    bytes with m vectors.
    """
    lanes = registers.bytes // item
    strips = 2 * registers.strip * lanes
    blocks = -(-d // max(strips, BLOCK_BYTES // (item * strips) * strips))
    columns = -(-d // (blocks * strips)) * strips + lanes  # an odd number of registers: rows at
    row = blocks * columns * item  # an even one would share places in the caches
    is_held = row * FEWEST <= LARGEST_TILE
    fit = max(FEWEST, TILE_BYTES // row) if is_held else max(PER_VECTOR[0] * m, PER_VECTOR[1])
    most = min(ROWS, fit)
    group = registers.group
    step = -(-rows // (-(-rows // most) * group)) * group  # about equal parts
    return (blocks, m, columns), (blocks if is_held else 1, step, columns), (step, m)


def product_bytes(d, m, item):
    """Bytes that each thread has for these at most."""
    panel, tiles, sums = product_shapes(ROWS * ROWS, d, m, item, LARGEST)
    spare = LARGEST.group * (tiles[0] * tiles[2] + m)  # parts need not be equal
    counts = panel[0] * panel[1] * panel[2], tiles[0] * tiles[1] * tiles[2], sums[0] * m, spare
    return item * sum(counts) + 6 * LARGEST.bytes
