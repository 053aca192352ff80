"""Tiles of several arrays of rows, one after the other."""

import numpy as np

from .tiles import Multiplied


class JoinedTiles(Multiplied):
    """As ``Tiles``; ``parts`` are those of the arrays, about one shift and in one type."""

    def __init__(self, parts):
        self._parts = parts
        self._tiles = np.cumsum([0, *map(len, parts)])
        self._products = np.cumsum([0, *(part.products for part in parts)])
        self.dtype, self.width, self.kernels = parts[0].dtype, parts[0].width, parts[0].kernels

    def __len__(self):
        return int(self._tiles[-1])

    @property
    def products(self):
        """As of ``Tiles``."""
        return int(self._products[-1])

    def _place(self, edges, number):
        part = int(np.searchsorted(edges, number, side="right")) - 1
        return self._parts[part], number - int(edges[part])

    def buffer(self):
        """Scratch memory for ``tile``, one per thread."""
        return self._parts[0].buffer()

    def tile(self, number, buffer):
        """As of ``Tiles``."""
        tiles, own = self._place(self._tiles, number)
        return tiles.tile(own, buffer)

    def roots_of(self, number):
        """As of ``Tiles``."""
        tiles, own = self._place(self._tiles, number)
        return tiles.roots_of(own)

    def add_product(self, number, buffer, panel, total, sums=None):
        """As of ``Tiles``."""
        tiles, own = self._place(self._products, number)
        tiles.add_product(own, buffer, panel, total, sums)
