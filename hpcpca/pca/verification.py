"""The covariance of rows in plain numpy and float64, for ``verify``.

Nothing of ``kernels``, ``operators`` or ``methods`` is used here, so that an error in one of them
cannot hide itself.
"""

from dataclasses import replace

import numpy as np

from ..errors import DataError, UsageError, on_all_ranks
from ..partition import span
from ..planning.machine import available_memory
from ..sources.learned import Learned
from ..sources.source import open_source
from ..sources.watch import Passage
from ..sources.weights import column_weights, row_weights

TILE_BYTES = 32 << 20  # wide rows: a tile should be larger than the vectors that it meets
STORED_BYTES = 12  # of a value of sparse rows, and what says where it is


def plain(request):
    """Return the ``PlainCovariance`` of the data that an engine ``Request`` names. Collective."""
    ranks, stored = request.ranks, request.stored
    if request.targets:
        raise on_all_ranks(UsageError("--targets is for results of 'hpcpca regress'"))
    own = [stored.path] if stored else []
    source = ranks.decide(lambda: open_source(request.data, request.reading, own=own))
    source.tell(request.say)
    source.be_exact()
    is_covariance = request.covariance or bool(stored and stored.config["covariance"])
    with ranks.blaming(source.change):
        if text := request.reading.row_weights:
            source.weigh(ranks.decide(lambda: row_weights(text, source)))
        learned = _learned(source, request.reading, ranks)
        if request.reading.nan == "em":
            learned.fill = stored.arrays["fill"]
            learned.fill_components = stored.arrays["fill_components"]
        source.learn(replace(learned, left_out=None))  # those are left out already
    is_centred = not (stored and stored.config.get("no_centre"))
    with ranks.agreed():
        _check(source, request.length, is_covariance, is_centred)
    keep = min(ranks.comm.allgather(available_memory())) // (2 * ranks.node.size)
    with ranks.blaming(source.change):
        return PlainCovariance(source, is_covariance, ranks, keep, is_centred)


def _check(source, length, is_covariance, is_centred):
    """Raise if vectors of this ``length`` cannot be of these data."""
    name = source.parts[0].name
    if length != source.d:
        raise DataError(
            f"the vectors have length {length}, {source.parts[0].path} has {source.d} columns; name"
            " the data they came from"
        )
    if not is_covariance and source.n < 1 + is_centred:
        raise DataError(f"{name} has one row only; a covariance needs at least two")
    if is_covariance and source.n != source.d:
        raise UsageError(f"--covariance needs a square dataset; {name} is {source.n} × {source.d}")


def _learned(source, reading, ranks):
    """What has to be learnt of the columns, from readings of its own, in numpy and float64."""
    learned, taken = Learned(), np.arange(source.d)
    if reading.nan == "drop-rows":
        learned.left_out = np.flatnonzero(_incomplete(source, ranks))
        source.learn(learned)
    if reading.learns:
        first = ranks.decide(lambda: np.nan_to_num(source.read(*_first(source)).rows[0]))
        first = first.astype(np.float64)
        counts = _summed(source, ranks, lambda rows, _: ~np.isnan(rows))
        weights = _summed(source, ranks, lambda rows, weights: weights * ~np.isnan(rows))
        sums = _summed(source, ranks, lambda rows, weights: weights * np.nan_to_num(rows - first))
        mean = sums / np.where(weights > 0, weights, 1)
        squares = _summed(
            source,
            ranks,
            lambda rows, weights: weights * np.nan_to_num(rows - first - mean) ** 2,
        )
        if reading.nan == "em":
            divisors = weights * (counts - 1) / np.maximum(counts, 1)
        else:
            divisors = np.full(source.d, source.n - 1.0)  # weights have a mean of 1
        if reading.nan == "drop-columns":
            taken = np.flatnonzero(counts == source.n)
        elif reading.nan in ("mean", "em"):
            taken = np.flatnonzero(counts)
            learned.fill = (first + mean)[taken]
        if reading.scale:
            deviations = np.sqrt(squares[taken] / np.where(divisors > 0, divisors, 1)[taken])
            learned.scale = 1 / np.where(deviations > 0, deviations, 1.0)
    numbers = source.view.numbers
    if len(taken) < source.d:
        numbers = learned.columns = taken if numbers is None else numbers[taken]
    if reading.column_weights:
        weights = ranks.decide(lambda: column_weights(reading.column_weights, source))
        roots = np.sqrt(weights if numbers is None else weights[numbers])
        learned.scale = roots if learned.scale is None else roots * learned.scale
    return learned


def _incomplete(source, ranks):
    """Which rows have missing values: (n), 0 or 1. Collective."""
    found = np.zeros(source.n, np.int8)
    with ranks.agreed():
        for place in source.pieces(*span(len(source.blocks), ranks.size, ranks.rank)):
            block = source.read(*place)
            found[block.first : block.stop] = np.isnan(block.rows).any(axis=1)
    return ranks.total(found)


def _first(source):
    """Where the first row of all is."""
    number, row = source.place(0)
    return number, row, row + 1


def _summed(source, ranks, function):
    """Sums over all rows of what ``function(rows, weights)`` makes of them: (d). Collective."""
    total = np.zeros(source.d)
    with ranks.agreed():
        for place in source.pieces(*span(len(source.blocks), ranks.size, ranks.rank)):
            block = source.read(*place)
            roots = source.roots_of(block)
            weights = np.ones((len(block), 1)) if roots is None else roots[:, None] ** 2
            found = function(block.rows.astype(np.float64), weights)
            total += found.sum(axis=0, dtype=np.float64)
    return ranks.total(total)


class PlainCovariance:
    """Σ of a source's rows, or a covariance given, in float64; every rank takes a share of the
    rows. Collective.
    """

    def __init__(self, source, is_covariance, world, keep_bytes, is_centred=True):
        self.source, self.is_covariance, self.d, self._sum = (
            source,
            is_covariance,
            source.d,
            world.total,
        )
        self._bounds = span(len(source.blocks), world.size, world.rank)
        size = source.bytes if source.stored is None else STORED_BYTES * source.stored
        self._kept = [] if size // world.size <= keep_bytes else None
        self._world, self._is_kept, self.reads = world, False, 0
        self._pivot, self._mean, self._scale, self.n = (
            None,
            0.0,
            1.0,
            None if is_covariance else source.n,
        )
        self._divisor = source.n - is_centred
        self.rank_limit = source.d if is_covariance else min(self._divisor, source.d)
        largest = world.most(
            max((source.check_finite(block) for block in self._blocks()), default=0.0)
        )
        self.exponent = int(np.frexp(largest)[1])
        self._scale = np.ldexp(1.0, -min(max(self.exponent, -1020), 1020))
        if not is_covariance:
            self.exponent = 2 * int(-np.log2(self._scale))
            self._pivot = source.first_row()
            self._pivot = self._pivot if is_centred else np.zeros_like(self._pivot)
            total = np.zeros(self.d)
            for tile, roots in self._tiles():
                total += roots @ tile
            self._mean = self._sum(total) / self.n if is_centred else 0.0
        else:
            self.exponent = int(-np.log2(self._scale))

    def change(self):
        """What happened to the rows since they were opened, in words, or None."""
        return self.source.change()

    def apply(self, panel):
        """Return Σ·v for every row of panel (r, d), scaled, on all ranks."""
        image = np.zeros(panel.shape)
        if self.is_covariance:
            for block in self._blocks():
                rows = block.dense(0, len(block), self.d).astype(np.float64) * self._scale
                image += panel[:, block.first : block.stop] @ rows
            return self._sum(image)
        for tile, _ in self._tiles():
            image += (panel @ tile.T) @ tile
        return self._sum(image) / self._divisor

    def _blocks(self):
        """The blocks of this rank's share; kept in memory after the first time if they fit."""
        if self._is_kept:
            yield from self._kept
            return
        self.reads += 1
        places = list(self.source.pieces(*self._bounds))
        passage = Passage(sum(stop - start for _, start, stop in places))
        with self._world.agreed():
            read = self.source.read if self.source.stored is None else self.source.read_stored
            for place in places:
                block = read(*place)
                if self._kept is not None:
                    self._kept.append(block)
                yield block
                passage.done(len(block))
        self._is_kept = self._kept is not None

    def _tiles(self):
        """Rows less their mean, scaled and times the roots of their weights: (r, d) float64; and
        these roots (r).
        """
        step = max(1, TILE_BYTES // (8 * self.d))
        for block in self._blocks():
            roots = self.source.roots_of(block)
            roots = np.ones(len(block)) if roots is None else roots
            for start in range(0, len(block), step):
                rows = self._deviations(block.dense(start, start + step, self.d)) * self._scale
                some = roots[start : start + step]
                yield (rows - self._mean) * some[:, None], some

    def _deviations(self, rows):
        if (
            rows.dtype.kind in "iu" and rows.dtype.itemsize == 8
        ):  # float64 has not all of them; a 64-bit mantissa has
            return (rows.astype(np.longdouble) - self._pivot.astype(np.longdouble)).astype(
                np.float64
            )
        return rows.astype(np.float64) - self._pivot.astype(np.float64)
