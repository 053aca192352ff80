"""What components leave of rows: ‖y − ŷ‖ of every row, and the same down every column.

ŷ = μ + (y − μ)VᵀV. The difference itself is squared and summed, in float64: nothing cancels.
"""

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from ..files.formats import ERRORS
from ..kernels.tiles import tile_rows
from ..mapping.projection import Scoring
from ..mapping.streaming import Made, Mapping, on_nodes
from . import scores as files
from .transformation import Onto, opened, warmed

ROWS, COLUMNS, DEVIATIONS = "row_errors", "column_errors", "column_deviations"


class LeftOver:
    """Errors of rows; ``sums`` (2, d) are the squared errors, and deviations, down the columns."""

    def __init__(self, scoring, mean, team):
        self.scoring, self.mean, self._team = scoring, mean, team
        self.sums = np.zeros((2, len(mean)))

    @staticmethod
    def scratch(d, count):
        """Bytes that one thread works in."""
        work = np.dtype(np.float64)
        return Scoring.scratch(d, count, work) + 3 * 8 * d * tile_rows(d, 8) + 16 * d

    def into(self, rows, largest, out):
        """out (r, 1) ← the errors of rows (r, d), none larger than ``largest``."""
        components, step = self.scoring.components, tile_rows(rows.shape[1], 8)
        scores = self.scoring.into(rows, largest, np.empty((len(rows), len(components))))

        def compare(number, total):
            where = slice(number * step, (number + 1) * step)
            deviations = rows[where] - self.mean
            total[1] += (deviations**2).sum(axis=0)
            deviations -= scores[where] @ components
            np.square(deviations, out=deviations)
            total[0] += deviations.sum(axis=0)
            out[where, 0] = np.sqrt(deviations.sum(axis=1))

        sums = self._team.share(-(-len(rows) // step), lambda: np.zeros_like(self.sums), compare)
        self.sums += sum(sums)
        return out


def left_over(world, say, result, data, writing, *, count=None, reading=MappingProxyType({})):
    """Write /row_errors (n), and root mean squares /column_errors and /column_deviations (d), of
    ``data`` and the first ``count`` components of ``result``; raise DataError, UsageError on all
    ranks. Collective.

    All is in the units that were fitted, after --scale and the like.
    """
    options = {"onto": Onto(count), "reading": reading}
    basis, source = opened(world, say, result, data, writing, **options)
    if source.view.reading.nan == "drop-rows":  # a row with missing values would count as zeros
        source.view.reading = replace(source.view.reading, nan="raise")
    kernels, held = warmed(world, source), {}
    panel = on_nodes(world, (basis.count, basis.d), np.dtype(np.float64), basis.rows)

    def method(team):
        parts = basis.mean, source.dtype, basis.lengths, kernels
        held["map"] = LeftOver(Scoring(panel.array, *parts, team=team), basis.mean, team)
        return held["map"]

    def after():
        total = np.empty_like(held["map"].sums)
        world.comm.Allreduce(held["map"].sums, total)
        explained = 1 - total[0].sum() / total[1].sum() if total[1].any() else 1.0
        say(f"{basis.count} components leave {100 * (1 - explained):.4g} % of these rows' variance")
        names = (COLUMNS, DEVIATIONS)
        return dict(zip(names, np.sqrt(total / source.n)))

    made = Made(
        ROWS,
        1,
        np.dtype(np.float64),
        files.header(ERRORS, basis, source),
        f"{basis.count} components",
        axes=(),
        after=after,
    )
    scratch = LeftOver.scratch(basis.d, basis.count)
    mapping = Mapping(world, source, [panel], scratch, between=8 * basis.count)
    mapping.run(say, writing, made, method)
