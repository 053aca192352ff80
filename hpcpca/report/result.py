"""A result or checkpoint: its spectrum, how its components converged, and components as
pictures.
"""

import numpy as np

from ..errors import DataError, UsageError
from ..linalg.determination import NONE, NOT_SEPARATED, UNDETERMINED
from .canvas import canvas, legend_below, whole_ticks
from .describe import standing_of

SHOWN = 36  # pictures at most
FLOOR = 1e-17
MARKS = {
    NOT_SEPARATED: ("s", "tab:green"),
    UNDETERMINED: ("X", "tab:red"),
    NONE: ("v", "tab:red"),
}  # what is not resolved


def draw(stored, path, shares=None):
    """Scree, residuals of each component by round, the largest by pass; of a ``Stored`` file.

    ``shares`` (K) of the whole, if components have any, are drawn summed up.
    """
    if not np.isfinite(stored.arrays["residuals"]).all():
        raise DataError(
            f"{stored.path}: nothing was measured yet; go on with 'hpcpca resume {stored.path}'"
        )
    with canvas(path, 1, 3, (5, 4)) as axes:
        _scree(axes[0, 0], stored, shares)
        _convergence(axes[0, 1], stored)
        _passes(axes[0, 2], stored)


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
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.95, residuals.shape[1]))
    for k, colour in enumerate(colours):
        axis.semilogy(
            rounds,
            residuals[:, k],
            color=colour,
            linewidth=1,
            label=f"component {k}" if k in (0, len(colours) - 1) else None,
        )
    whole_ticks(axis)
    axis.set(
        xlabel="round",
        ylabel="residual",
        title=f"{stored.attributes['method']}, exchange {stored.config['exchange']}",
    )
    _tolerance(axis, stored)


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


def draw_images(stored, path, shape, shares=None):
    """Components as pictures of ``shape`` (rows, columns), up to ``SHOWN`` of them, blue for
    negative and red for positive entries.
    """
    if shape[0] * shape[1] != stored.d:
        raise UsageError(
            f"--images {shape[0]}x{shape[1]} are {shape[0] * shape[1]} pixels, components have"
            f" {stored.d} entries"
        )
    count = min(stored.count, SHOWN)
    columns = int(np.ceil(np.sqrt(count)))
    pictures = stored.vectors(0, count).reshape(count, *shape)
    with canvas(
        path, -(-count // columns), columns, (1.6, 1.6 * shape[0] / shape[1] + 0.25)
    ) as axes:
        for axis in axes.flat:
            axis.axis("off")
        for k, (axis, picture) in enumerate(zip(axes.flat, pictures)):
            most = np.abs(picture).max()
            axis.imshow(picture, cmap="RdBu_r", vmin=-most, vmax=most)
            title = f"{k}" if shares is None else f"{k}: {_percent(shares[k])}"
            axis.set_title(title, fontsize="x-small")


def _percent(share):
    return "unknown share" if np.isnan(share) else f"{100 * share:.1f} %"
