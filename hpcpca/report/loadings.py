"""Components by the columns that weigh most in them, and along the axes that samples have."""

import numpy as np

from ..errors import UsageError
from ..pca.features import of_result
from .canvas import canvas

SHOWN, LARGEST, LONGEST = 12, 12, 22  # components, columns of each, letters of a name
POSITIVE, NEGATIVE = "tab:red", "tab:blue"


def features_of(stored):
    """Return the ``Features`` of a Stored result; raise UsageError if it is of another problem."""
    if stored.problem != "fit":
        raise UsageError(
            f"{stored.path} is a result of 'hpcpca {stored.problem}'; this is drawn of 'hpcpca fit'"
        )
    return of_result(stored)


def draw(stored, path, shares=None):
    """Draw bars for the columns of largest weight in each component."""
    features, count = features_of(stored), min(stored.count, SHOWN)
    across = min(count, 4)
    with canvas(path, -(-count // across), across, (3.1, 2.9)) as axes:
        for axis in axes.flat[count:]:
            axis.axis("off")
        for k, axis in enumerate(axes.flat[:count]):
            draw_bars(axis, stored.vectors(k, k + 1)[0], features.name, "xx-small")
            axis.set_title(titled(k, shares), fontsize="x-small")


def draw_bars(axis, vector, name, fontsize):
    """Draw bars for the largest entries of a vector (d); ``name(j)`` is what one is called."""
    which = np.argsort(-np.abs(vector))[:LARGEST]
    weights, places = vector[which], np.arange(len(which))
    axis.barh(places, weights, color=np.where(weights < 0, NEGATIVE, POSITIVE))
    axis.set_yticks(places, [_short(name(int(j))) for j in which], fontsize=fontsize)
    axis.tick_params(axis="x", labelsize=fontsize)
    axis.invert_yaxis()
    axis.axvline(0, color="grey", linewidth=0.5)


def titled(k, shares):
    """The number of a component, and its share of the variance if that is known."""
    return f"{k}" if shares is None or np.isnan(shares[k]) else f"{k}: {100 * shares[k]:.1f} %"


def _short(name):
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def draw_maps(stored, path, shares=None):
    """Draw components over the two axes that samples have, by their coordinates; raise UsageError
    if there are no such.
    """
    features, count = features_of(stored), min(stored.count, SHOWN)
    if not has_maps(features):
        raise UsageError(
            f"--maps: the samples of {stored.path} have no two axes with coordinates; give --images"
            " HxW"
        )
    up, along = features.axes
    across = int(np.ceil(np.sqrt(count)))
    tall = np.clip(np.ptp(up.values) / max(np.ptp(along.values), 1e-30), 0.4, 1.5)
    with canvas(path, -(-count // across), across, (3.4, 3.2 * tall + 0.5)) as axes:
        for axis in axes.flat[count:]:
            axis.axis("off")
        for k, axis in enumerate(axes.flat[:count]):
            draw_map(axis, stored.vectors(k, k + 1)[0], features, "xx-small")
            axis.set_title(titled(k, shares), fontsize="x-small")
        for axis in axes[-1]:
            axis.set_xlabel(axis_label(along), fontsize="x-small")
        for axis in axes[:, 0]:
            axis.set_ylabel(axis_label(up), fontsize="x-small")


def has_maps(features):
    """Whether samples have two axes with coordinates."""
    return len(features.axes) == 2 and all(map(_is_numeric, features.axes))


def draw_map(axis, vector, features, fontsize):
    """Draw a vector (d) over the two axes of ``features``, blue for negative, red for positive."""
    up, along = features.axes
    lengths = len(up.values), len(along.values)
    whole = np.full(lengths[0] * lengths[1], np.nan)
    whole[slice(None) if features.columns is None else features.columns] = vector
    most = np.nanmax(np.abs(whole)) or 1.0
    drawn = axis.pcolormesh(
        along.values,
        up.values,
        whole.reshape(lengths),
        cmap="RdBu_r",
        vmin=-most,
        vmax=most,
        shading="nearest",
        rasterized=True,
    )
    axis.figure.colorbar(drawn, ax=axis).ax.tick_params(labelsize=fontsize)
    axis.tick_params(labelsize=fontsize)


def _is_numeric(axis):
    return axis.values is not None and axis.values.dtype.kind in "iuf"


def axis_label(axis):
    """An axis's name and units."""
    return f"{axis.name} ({axis.units})" if axis.units else axis.name


def own_axis(stored):
    """(Values (d), label) of the axis that components lie along, if they have one of numbers; else
    None.
    """
    if stored.problem != "fit":
        return None
    features = of_result(stored)
    if len(features.axes) != 1 or not _is_numeric(features.axes[0]):
        return None
    values = features.axes[0].values
    taken = values if features.columns is None else values[features.columns]
    return taken, axis_label(features.axes[0])
