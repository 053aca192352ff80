"""Rows as tiles of scaled deviations, worked on one at a time while a tile is in cache."""

import numpy as np

TILE_BYTES = 2 << 20  # converted rows worked on at a time: within the second-level cache
# but at least so many, or reading and adding (m, d) panels would cost more than the rows
# themselves,
TILE_ROWS = 63
LARGEST_TILE = 64 << 20  # unless that takes more than this
PRODUCT_ROWS = 252  # at least in a product, for the same reason; in tiles they would take too much


def tile_rows(d, itemsize):
    """Rows of a tile."""
    row = max(1, d * itemsize)
    return max(1, TILE_BYTES // row, min(TILE_ROWS, LARGEST_TILE // row))


class Multiplied:
    """Tiles of a ``dtype`` that take a panel (c, d), and give its images (c, ``width``), as they
    are.
    """

    def vectors(self, panel):
        """What ``add_product`` takes for a panel (c, d) float64; not to be written to."""
        found = panel.astype(self.dtype)
        found.flags.writeable = False
        return found

    def total(self, count):
        """Sums for ``add_product`` of so many vectors, float64; one per thread."""
        return np.zeros((count, self.width))

    def images(self, total):
        """The images (c, width) that the sums of all threads make."""
        return total

    @property
    def products(self):
        """How many products ``add_product`` adds in all."""
        return len(self)


class Tiles(Multiplied):
    """Rows as tiles of deviations: a view where the rows are already that, else converted into a
    buffer.

    ``rows`` (n, d); ``shift`` None says that rows are deviations already; ``kernels`` is the set
    that converts.
    """

    def __init__(self, rows, shift, scale, dtype, kernels, *, roots=None):
        """``roots`` (n): what each deviation is multiplied by."""
        self.roots = roots
        self.rows, self.shift, self.dtype, self.kernels = rows, shift, np.dtype(dtype), kernels
        self.scale = self.dtype.type(scale)
        self.step = tile_rows(rows.shape[1], self.dtype.itemsize)

    def in_double(self):
        """The same rows, multiplied in float64; None if they are rounded deviations themselves."""
        if self.shift is None:
            return None
        shift = self.shift.astype(np.float64) if self.shift.dtype == np.float32 else self.shift
        return Tiles(self.rows, shift, self.scale, np.float64, self.kernels, roots=self.roots)

    def subset(self, numbers):
        """Tiles of a copy of some of the rows."""
        roots = None if self.roots is None else self.roots[numbers]
        shape = self.shift, self.scale, self.dtype, self.kernels
        return Tiles(self.rows[numbers], *shape, roots=roots)

    def __len__(self):
        return -(-len(self.rows) // self.step)

    @property
    def _together(self):
        """Tiles that ``add_product`` takes at a time: about equal parts of all."""
        tiles, most = max(1, len(self)), -(-PRODUCT_ROWS // self.step)
        return -(-tiles // -(-tiles // most))

    @property
    def products(self):
        """How many products ``add_product`` adds in all."""
        return -(-len(self) // self._together)

    @property
    def width(self):
        """Length of what ``add_product`` gives for a vector."""
        return self.rows.shape[1]

    def buffer(self):
        """Scratch memory for ``tile``, one per thread."""
        return None if self.shift is None else np.empty((self.step, self.rows.shape[1]), self.dtype)

    def tile(self, number, buffer):
        """Return tile ``number``: (r, d) of ``dtype``, in ``buffer`` or a view."""
        rows = self.rows[number * self.step : (number + 1) * self.step]
        if self.shift is None:
            return rows
        out = buffer[: len(rows)]
        self.kernels.scaled_deviations(rows, self.shift, self.scale, out)
        if self.roots is not None:
            out *= self.roots_of(number)[:, None].astype(out.dtype)
        return out

    def roots_of(self, number):
        """What the rows of tile ``number`` are multiplied by (r), or None."""
        taken = slice(number * self.step, (number + 1) * self.step)
        return None if self.roots is None else self.roots[taken]

    def add_product(self, number, buffer, panel, total, sums=None):
        """total (c, d) += BᵀBV for a panel V (c, d) of the tiles' type; B is product ``number``'s
        part of the rows, of one tile or more. If there are ``sums`` (2, d), they get B's as with
        ``add_sums_of``.
        """
        first, stop = number * self._together, (number + 1) * self._together
        rows = self.rows[first * self.step : stop * self.step]
        if self.shift is None and (self.roots is None or sums is None):
            self.kernels.gram_product(rows, panel, total, sums)
        elif self.roots is None:
            about = self.shift, self.scale
            self.kernels.shifted_gram_product(rows, *about, panel, buffer, total, sums)
        else:
            for each in range(first, min(stop, len(self))):
                tile = self.tile(each, buffer)
                self.kernels.gram_product(tile, panel, total)
                if sums is not None:
                    self.add_sums_of(each, tile, sums)

    def add_sums_of(self, number, tile, sums):
        """sums (2, d) += sums and sums of squares of the columns of tile ``number``, which is
        ``tile``, float64; the sums are those of deviations times ``roots`` twice.
        """
        if self.roots is None:
            self.kernels.add_sums(tile, sums)
        else:
            sums[0] += self.roots_of(number) @ tile
            sums[1] += np.einsum("ij,ij->j", tile, tile, dtype=np.float64)
