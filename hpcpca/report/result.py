"""A result or checkpoint: its spectrum, how its components converged, and components as
pictures or lines.
"""

from math import prod

import numpy as np

from ..errors import DataError, UsageError
from ..linalg.determination import NONE, NOT_SEPARATED, UNDETERMINED
from .canvas import canvas, legend_below, whole_ticks
from .describe import standing_of

SHOWN = 36  # pictures at most
FLOOR = 1e-17
MISSING = 0.8  # grey level of entries that there are none of
MARKS = {
    NOT_SEPARATED: ("s", "tab:green"),
    UNDETERMINED: ("X", "tab:red"),
    NONE: ("v", "tab:red"),
}  # what is not resolved


def draw(stored, path, shares=None, curves=None):
    """Scree, residuals of each component by round, the largest by pass; of a ``Stored`` file.

    ``shares`` (K) of the whole, if components have any, are drawn summed up; ``curves`` (what it
    is, {label: values}) by the number of components, instead of the passes.
    """
    drawn = panels(stored, shares, curves)
    with canvas(path, 1, len(drawn), (5, 4)) as axes:
        for axis, draw_panel in zip(axes[0], drawn.values()):
            draw_panel(axis)


def panels(stored, shares=None, curves=None):
    """Return {what it shows: draw(axis)} of ``draw``'s figures; raise DataError."""
    if not np.isfinite(stored.arrays["residuals"]).all():
        raise DataError(
            f"{stored.path}: nothing was measured yet; go on with 'hpcpca resume {stored.path}'"
        )
    found = {
        "The spectrum": lambda axis: _scree(axis, stored, shares),
        "Measured residuals of every component, round by round": lambda axis: _convergence(
            axis, stored
        ),
    }
    if curves is None:
        found["The largest residual, pass by pass"] = lambda axis: _passes(axis, stored)
    else:
        found["What the first pairs explain"] = lambda axis: _together(axis, *curves)
    return found


def _together(axis, what, curves):
    for label, values in curves.items():
        axis.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, label=label)
    axis.set(xlabel="first components", ylabel=what)
    whole_ticks(axis)
    legend_below(axis)


def _scree(axis, stored, shares):
    values, name = stored.eigenvalues, "eigenvalue" if shares is None else "variance"
    numbers = np.arange(len(values))
    axis.semilogy(numbers, np.maximum(values, FLOOR), "o-", label=name)
    words = np.array(standing_of(stored))
    for word, (mark, colour) in MARKS.items():
        which = numbers[words == word]
        if len(which):
            axis.semilogy(
                which,
                np.maximum(values[which], FLOOR),
                mark,
                color=colour,
                markersize=9,
                fillstyle="none",
                label=word,
            )
    guards = stored.arrays["guard_eigenvalues"]
    if len(guards):
        axis.semilogy(
            len(values) + np.arange(len(guards)),
            np.maximum(guards, FLOOR),
            "x",
            color="grey",
            label="guards",
        )
    axis.set(xlabel="component", ylabel=name)
    whole_ticks(axis)
    drawn = [axis.get_legend_handles_labels()]
    if shares is not None:
        axis.set_title(_percent(shares.sum()) + " of the variance")
        cumulative = axis.twinx()
        cumulative.plot(numbers, 100 * np.cumsum(shares), color="tab:orange", label="cumulative")
        cumulative.set(ylabel="cumulative share, %", ylim=(0, 100))
        drawn.append(cumulative.get_legend_handles_labels())
    legend_below(axis, *(sum(each, []) for each in zip(*drawn)))


def _convergence(axis, stored):
    import matplotlib

    rounds, residuals = (
        stored.arrays["history/round"],
        np.maximum(stored.arrays["history/residuals"], FLOOR),
    )
    colours = matplotlib.colormaps["viridis"](np.linspace(0.25, 0.9, residuals.shape[1]))
    for k, colour in enumerate(colours):
        waiting = _waiting(stored.arrays["history/eigenvalues"][:, k])
        axis.semilogy(
            rounds[waiting:],
            residuals[waiting:, k],
            color=colour,
            linewidth=1,
            label=f"component {k}" if k in (0, len(colours) - 1) else None,
        )
        if waiting:
            before, faint = slice(waiting + 1), {"color": colour, "linewidth": 0.7}
            axis.semilogy(rounds[before], residuals[before, k], ":", **faint)
            axis.semilogy(rounds[waiting], residuals[waiting, k], "o", markersize=4, **faint)
    whole_ticks(axis)
    if len(rounds) == 1:  # there is no line then
        for k, colour in enumerate(colours):
            axis.semilogy(rounds, residuals[:, k], ".", color=colour)
        axis.set_xticks(rounds)
    axis.set(
        xlabel="round",
        ylabel="residual",
        title=f"{stored.attributes['method']}, exchange {stored.config['exchange']}",
    )
    _tolerance(axis, stored)


def _waiting(values):
    """The last round before a component's value changes first: until then it has not begun."""
    changed = np.flatnonzero(values != values[0])
    return int(changed[0]) - 1 if len(changed) else 0


def _passes(axis, stored):
    axis.semilogy(
        stored.arrays["history/passes"],
        np.maximum(stored.arrays["history/residuals"].max(axis=1), FLOOR),
        "o-",
        markersize=3,
        label="largest residual",
    )
    axis.set(
        xlabel="passes over the data", ylabel="largest residual", title=stored.attributes["outcome"]
    )
    _tolerance(axis, stored)


def _tolerance(axis, stored):
    if stored.attributes["tol"] > 0:
        axis.axhline(stored.attributes["tol"], color="grey", linestyle=":", label="tolerance")
    legend_below(axis)


def draw_sides(path, sides, shapes=(), shares=None, along=None):
    """Components by their ``sides`` {name: rows (count, entries)}: as
    pictures of one of the ``shapes`` (rows, columns), blue for negative, red for positive and grey
    for missing entries, or (rows, columns, 3) in colours about grey; as lines if no shapes are
    given, or none fits that side. Each has to fit one. Lines lie ``along`` (values (entries),
    label), or are numbered.
    """
    count = len(next(iter(sides.values())))
    pictured = {name: _fitting(shapes, rows.shape[1]) for name, rows in sides.items()}
    lengths = {rows.shape[1] for rows in sides.values()}
    if idle := [shape for shape in shapes if prod(shape) not in lengths]:
        pixels = " and ".join("x".join(map(str, shape)) for shape in idle)
        entries = ", ".join(f"{name} have {rows.shape[1]} entries" for name, rows in sides.items())
        raise UsageError(f"--images {pixels} are {_products(idle)} pixels, {entries}")
    across = int(np.ceil(np.sqrt(count)))
    tall = max(shape[0] / shape[1] if shape else 0.6 for shape in pictured.values())
    width = 1.6 if all(pictured.values()) else 2.6
    size = width, width * tall + 0.25
    with canvas(path, -(-count // across), across * len(sides), size) as axes:
        for axis in axes.flat:
            axis.axis("off")
        for number, (name, rows) in enumerate(sides.items()):
            for k, row in enumerate(rows):
                axis = axes[k // across, k % across * len(sides) + number]
                draw_side(axis, row, pictured[name], along and along[0])
                if along and k >= count - across:
                    axis.set_xlabel(along[1], fontsize="xx-small")
                title = f"{k}" if len(sides) == 1 else f"{k} {name}"
                if shares is not None and number == len(sides) - 1:
                    title += f": {_percent(shares[k])}"
                axis.set_title(title, fontsize="x-small")


def _fitting(shapes, entries):
    return next((shape for shape in shapes if prod(shape) == entries), None)


def _products(shapes):
    return " and ".join(str(prod(shape)) for shape in shapes)


def draw_side(axis, row, shape=None, along=None):
    """Draw one side (entries) of a component on axes that are off: as a picture of a ``shape``,
    or as a line ``along`` values (entries).
    """
    most = np.nanmax(np.abs(row)) or 1.0
    if shape:
        _draw_picture(axis, row.reshape(shape), most)
        return
    axis.axis("on")
    axis.axhline(0, color="grey", linewidth=0.5)
    axis.plot(np.arange(len(row)) if along is None else along, row, linewidth=0.8)
    axis.set(ylim=(-1.05 * most, 1.05 * most))
    axis.tick_params(labelsize="xx-small")


def _draw_picture(axis, picture, most):
    import matplotlib

    if picture.ndim == 3:
        axis.imshow(np.where(np.isnan(picture), MISSING, 0.5 + picture / (2 * most)))
        return
    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad=str(MISSING))
    axis.imshow(picture, cmap=colours, vmin=-most, vmax=most)


def _percent(share):
    return "unknown share" if np.isnan(share) else f"{100 * share:.1f} %"
