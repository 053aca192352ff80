"""Many matrices: what factors of each keep, and what they leave."""

import numpy as np

from .canvas import canvas, legend_below, whole_ticks

SHOWN = 24  # matrices at most, those with the largest error
NAMED = 8  # of them in the legend
LONGEST = 28  # characters of a name


def draw(path, spectra):
    """Singular values of the factors over the norm, and the shares that are kept and left, of
    ``spectra`` {name: (values (r), error)}, both over the norm of the mean.
    """
    with canvas(path, 1, 2, (6, height(spectra))) as axes:
        for axis, draw_panel in zip(axes[0], panels(spectra).values()):
            draw_panel(axis)


def height(spectra):
    """Inches that names of the matrices need."""
    return max(4.0, 0.22 * min(len(spectra), SHOWN))


def panels(spectra):
    """Return {what it shows: draw(axis)} of ``draw``'s figures."""
    worst = sorted(spectra, key=lambda name: -spectra[name][1])[:SHOWN]

    def draw_values(left):
        for number, name in enumerate(worst):
            values = spectra[name][0]
            left.semilogy(
                np.arange(1, len(values) + 1),
                np.maximum(values, 1e-17),
                "o-",
                markersize=3,
                label=_short(name) if number < NAMED else None,
            )
        left.set(xlabel="pair", ylabel="singular value, over the norm")
        whole_ticks(left)
        legend_below(left)

    def draw_shares(right):
        lost = np.array([spectra[name][1] ** 2 for name in worst])
        rows = np.arange(len(worst))
        right.barh(rows, 1 - lost, color="tab:blue", label="kept")
        right.barh(rows, lost, left=1 - lost, color="tab:red", label="left")
        right.set_yticks(rows, [_short(name) for name in worst], fontsize="x-small")
        right.invert_yaxis()
        more = len(spectra) - len(worst)
        title = f"{more} more matrices with smaller errors" if more else ""
        right.set(xlabel="share of the squared norm", title=title)
        legend_below(right)

    return {
        "Singular values of the factors, over the norm of the mean": draw_values,
        "What factors keep, and what they leave": draw_shares,
    }


def _short(name):
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"
