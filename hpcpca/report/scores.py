"""Scores: a point for each row, or how many rows are where; in colours by what else is known."""

import numpy as np

from ..errors import DataError, UsageError
from ..export.rows import reading
from ..files.damage import reporting_damage
from ..files.opening import open_file
from ..files.paths import split_dataset
from ..sources.labels import column_of
from .canvas import canvas

MOST_POINTS = 5000  # rows of which each is a point
BINS = 150  # each way
PANELS = 3
FEW = 20  # whole numbers of no more kinds are taken for names
LISTED = 30  # names in the legend
SIZE = 4.6, 4.2


def colours_of(text, count):
    """Return the ``Column`` that FILE:dataset has for ``count`` rows; raise DataError, UsageError.

    Whole numbers of few kinds become names.
    """
    path, dataset = split_dataset(text)
    if not dataset:
        raise UsageError(f"--colour {text}: name a dataset: FILE:dataset")
    with reporting_damage(path), open_file(path) as file:
        column = column_of(file, dataset)
    if column is None or column.values.shape != (count,):
        had = "no list of numbers or text" if column is None else f"{column.values.size} values"
        raise DataError(f"--colour {text} has {had}, and there are {count} rows; name a value each")
    kinds = np.unique(column.values)
    if not column.names and column.values.dtype.kind in "iub" and len(kinds) <= FEW:
        codes = np.searchsorted(kinds, column.values)
        return type(column)(codes, tuple(map(str, kinds.tolist())))
    return column


def pairs_of(asked, count):
    """The pairs of components that are drawn; raise UsageError if there are no such."""
    if count == 1:
        return [(0, 0)]
    usual = [(first, first + 1) for first in range(0, count - 1, 2)][:PANELS]
    for pair in asked:
        if len(pair) != 2 or max(pair) >= count:
            raise UsageError(
                f"--pair {','.join(map(str, pair))}: two of the components 0 to {count - 1} are"
                " needed"
            )
    return list(asked) or usual


class Scores:
    """The scores in the file ``text``, rows in the ``colour`` that FILE:dataset says."""

    def __init__(self, text, colour=None):
        """Look at both; raise DataError, UsageError."""
        self._text, self._name, self._ends = text, split_dataset(colour or "")[1], None
        with reading(text) as rows:
            self.count, self.width = rows.opened.shape
        self._column = colours_of(colour, self.count) if colour else None

    def draw(self, axis, pair, is_explained=True):
        """Draw a pair of components, and what colours mean, if that is to be explained here."""
        with reading(self._text) as rows:
            draw_pair = self._points if self.count <= MOST_POINTS else self._density
            drawn = draw_pair(axis, rows, pair)
        axis.set(xlabel=f"component {pair[0]}", ylabel=f"component {pair[1]}")
        if is_explained:
            _explain(axis, self._column, drawn, self._name)

    def _points(self, axis, rows, pair):
        """A point a row; return what a colour bar is of, or None."""
        points, column = np.concatenate([some for _, some in rows.pieces()]), self._column
        size = float(np.clip(2e4 / len(points), 3, 25))
        x, y = points[:, pair[0]], points[:, pair[1]]
        if column is None:
            axis.scatter(x, y, size, color="tab:blue", alpha=0.6, linewidths=0)
        elif column.names:
            colours = palette(len(column.names))[column.values]
            axis.scatter(x, y, size, color=colours, linewidths=0)
        else:
            return axis.scatter(x, y, size, c=column.values, linewidths=0)
        return None

    def _density(self, axis, rows, pair):
        """How many rows there are, darker for more; or in each place the mean of their values, or
        the name that most of them have. Return what a colour bar is of, or None.
        """
        from matplotlib.colors import LogNorm

        self._ends = _edges(rows) if self._ends is None else self._ends
        x, y = (self._ends[:, number] for number in pair)
        box = {"origin": "lower", "extent": (x[0], x[-1], y[0], y[-1]), "aspect": "auto"}
        column = self._column
        count, more = _counted(rows, pair, (x, y), column)
        if column is None:
            return axis.imshow(_blank(count, count), norm=LogNorm(), cmap="viridis_r", **box)
        if column.names:
            axis.imshow(_dominant(count, more, len(column.names)), **box)
            return None
        return axis.imshow(_blank(more[0] / np.maximum(count, 1), count), **box)


def draw(path, text, colour=None, pairs=()):
    """Draw the scores in the file ``text``, rows in the ``colour`` that FILE:dataset says; raise
    DataError, UsageError.
    """
    scores = Scores(text, colour)
    chosen = pairs_of(pairs, scores.width)
    with canvas(path, 1, len(chosen), SIZE) as axes:
        for axis, pair in zip(axes[0], chosen):
            scores.draw(axis, pair, axis is axes[0, -1])
        axes[0, 0].set_title(f"{scores.count:,} rows", fontsize="small")


def _edges(rows):
    """(BINS + 1, K) edges of the bins, over the ranges of all components."""
    ends = [
        np.stack([np.nanmin(some, axis=0), np.nanmax(some, axis=0)]) for _, some in rows.pieces()
    ]
    low, high = np.min(ends, axis=0)[0].astype(float), np.max(ends, axis=0)[1].astype(float)
    return np.linspace(low, np.where(high > low, high, low + 1), BINS + 1)


def _counted(rows, pair, edges, column):
    """(BINS, BINS) numbers of rows, second component by first; and of a ``column`` the sums of its
    values, or for each name the numbers of rows.
    """
    names = len(column.names) if column is not None else 0
    count, more = np.zeros(BINS * BINS), np.zeros((max(1, names), BINS * BINS))
    for start, some in rows.pieces():
        there = np.isfinite(some[:, pair]).all(axis=1)
        x, y = (
            np.clip(np.searchsorted(edge, some[there, number], "right") - 1, 0, BINS - 1)
            for number, edge in zip(pair, edges)
        )
        place = y * BINS + x
        count += np.bincount(place, minlength=BINS * BINS)
        if column is None:
            continue
        values = column.values[start : start + len(some)][there]
        if names:
            known = values >= 0
            flat = values[known] * BINS * BINS + place[known]
            more += np.bincount(flat, minlength=more.size).reshape(more.shape)
        else:
            more[0] += np.bincount(place, values, minlength=BINS * BINS)
    return count.reshape(BINS, BINS), more.reshape(-1, BINS, BINS)


def _blank(values, count):
    """Values where there are rows, else NaN."""
    return np.where(count > 0, values, np.nan)


def _dominant(count, of_names, names):
    """(BINS, BINS, 4) colours of the names that most rows have, fainter for few rows."""
    colours = palette(names)[of_names.argmax(axis=0)]
    most = np.log1p(count.max())
    colours[..., 3] = np.where(count > 0, 0.35 + 0.65 * np.log1p(count) / most, 0)
    return colours


def palette(count):
    """(count, 4) colours that are told apart, as far as that goes; −1 is grey."""
    import matplotlib

    few = matplotlib.colormaps["tab10" if count <= 10 else "tab20"]
    found = [few(number) for number in range(count)]
    if count > FEW:
        found = matplotlib.colormaps["turbo"](np.linspace(0, 1, count))
    return np.array([*found, (0.6, 0.6, 0.6, 1.0)])


def _explain(axis, column, drawn, name):
    """Say what colours mean."""
    if column is not None and column.names:
        colours = palette(len(column.names))
        for number, each in enumerate(column.names[:LISTED]):
            axis.scatter([], [], color=[colours[number]], label=each)
        more = len(column.names) - LISTED
        title = name if more <= 0 else f"{name}: {LISTED} of {len(column.names)}"
        axis.legend(
            loc="center left",
            bbox_to_anchor=(1.02, 0.5),
            fontsize="x-small",
            title=title,
            title_fontsize="x-small",
            frameon=False,
        )
    elif drawn is not None:
        label = name if column is not None else "rows"
        axis.figure.colorbar(drawn, ax=axis, label=label)
