"""Sparse rows as tiles, each of which holds its values column by column."""

import numpy as np

ROWS = 1024  # of a tile: their products with 64 vectors stay in the second cache
PER_COLUMN = 8  # values to a column at least, or going through the panel costs more than they do
MOST_ROWS = 4096  # summed up in float32: errors of such sums grow with their length
SHORT = 1 << 16  # rows of a tile that two bytes can number


def rows_of_tile(stored, rows, width):
    """How many rows a tile has, if so many ``rows`` have so many ``stored`` values."""
    most = max(1, rows)
    return min(most, max(ROWS, PER_COLUMN * width * most // max(1, stored)))


def row_type(step):
    """Type of the numbers of rows within a tile of ``step`` rows."""
    return np.dtype(np.uint16 if step <= SHORT else np.int32)


class SparseTiles:
    """Deviations of sparse rows from a shift, of which nothing but the stored values is there.

    ``values`` and ``rows`` (s), the numbers of rows within a tile, and ``heads`` (tiles, d + 1) are
    as ``by_columns`` orders them, for tiles of which ``counts`` says how many rows each has.
    ``shift`` (d) is float64, in the units of the values. In the products, rows get a column of ones
    for it.
    """

    def __init__(self, held, counts, shift, dtype, kernels):
        self.values, self.rows, self.heads = held
        self.counts, self.shift, self.dtype = counts, shift, np.dtype(dtype)
        self.kernels = kernels
        self.starts = np.concatenate([[0], np.cumsum(self.heads[:, -1], dtype=np.int64)])
        is_long = max(counts, default=0) > MOST_ROWS
        self._sum_type = np.dtype(np.float64) if is_long else self.dtype

    @property
    def width(self):
        """Length of what ``add_product`` gives for a vector."""
        return self.heads.shape[1] - 1

    def __len__(self):
        return len(self.counts)

    @property
    def products(self):
        """How many products ``add_product`` adds: one a tile."""
        return len(self)

    def tile(self, number):
        """(values, rows, heads) of a tile: views."""
        taken = slice(self.starts[number], self.starts[number + 1])
        return self.values[taken], self.rows[taken], self.heads[number]

    def in_double(self):
        """The same rows, multiplied in float64."""
        held = self.values, self.rows, self.heads
        return SparseTiles(held, self.counts, self.shift, np.float64, self.kernels)

    def subset(self, numbers):
        """Tiles of a copy of some of the rows, in order."""
        values, rows, heads, counts, first = [], [], [], [], 0
        for number, count in enumerate(self.counts):
            mine = numbers[(numbers >= first) & (numbers < first + count)] - first
            places = np.full(count, -1)
            places[mine] = np.arange(len(mine))
            each, row, head = self.tile(number)
            is_taken = places[row] >= 0
            before = np.concatenate([[0], np.cumsum(is_taken)])
            values.append(each[is_taken])
            rows.append(places[row[is_taken]].astype(row.dtype))
            heads.append(before[head].astype(head.dtype))
            counts.append(len(mine))
            first += count
        held = [np.concatenate(values or [self.values]), np.concatenate(rows or [self.rows])]
        held.append(np.array(heads, self.heads.dtype).reshape(-1, self.width + 1))
        return SparseTiles(held, counts, self.shift, self.dtype, self.kernels)

    def vectors(self, panel):
        """What ``add_product`` takes for a panel (c, d) float64: (d+1, c), with the shift's part
        last.
        """
        found = np.empty((self.width + 1, len(panel)), self.dtype)
        found[:-1] = panel.T
        found[-1] = -(panel @ self.shift)
        return found

    def total(self, count):
        """Sums for ``add_product`` of so many vectors; one per thread."""
        return np.zeros((self.width + 1, count))

    def images(self, total):
        """The images (c, width) that the sums of all threads make."""
        return total[:-1].T - np.outer(total[-1], self.shift)

    def buffer(self):
        """A place for products of a tile's rows, one per thread."""
        return []

    def add_product(self, number, buffer, vectors, total):
        """total (d+1, c) += [X 1]ᵀ[X 1]·vectors for tile ``number``."""
        width = vectors.shape[1]
        if not buffer:
            buffer += (
                np.empty((max(self.counts), width), self.dtype),
                np.empty(width, self._sum_type),
            )
        sums, part = buffer
        sums = sums[: self.counts[number]]
        self.kernels.sparse_gram_product(*self.tile(number), vectors, sums, part, total)

    def add_sums(self, mean, sums):
        """sums (3, d) += those of all tiles, as ``kernels.sparse_sums`` has them."""
        for number in range(len(self)):
            values, _, heads = self.tile(number)
            self.kernels.sparse_sums(values, heads, mean, sums)

    def clear(self, columns):
        """Make the stored values of some ``columns`` (d) bool zeros."""
        for number in range(len(self)):
            values, _, heads = self.tile(number)
            values[np.repeat(columns, np.diff(heads))] = 0
