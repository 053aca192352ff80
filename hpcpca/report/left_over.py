"""What components leave: of rows, and of columns beside their deviations."""

import numpy as np

from ..files.opening import open_file
from ..files.seal import reading_own
from .canvas import canvas

BINS = 80


def draw(path, text):
    """Draw the errors in the file ``text`` of 'hpcpca reconstruct --errors'."""
    with reading_own(text), open_file(text) as file:
        names = ("row_errors", "column_errors", "column_deviations")
        rows, columns, deviations = (file[name][...] for name in names)
    left = 100 * (columns**2).sum() / max((deviations**2).sum(), np.finfo(float).tiny)
    with canvas(path, 1, 2, (5, 4)) as axes:
        first, second = axes[0]
        first.hist(rows[np.isfinite(rows)], BINS, color="tab:blue")
        first.set(xlabel="error of a row, ‖y − ŷ‖", ylabel="rows", yscale="log")
        first.set_title(f"{left:.4g} % of the variance is left", fontsize="small")
        is_there = deviations > 0
        second.plot([0, deviations.max()], [0, deviations.max()], ":", color="grey")
        second.plot(deviations[is_there], columns[is_there], ".", markersize=3)
        second.set(xlabel="deviation of a column", ylabel="error of a column")
        second.set_title("on the dotted line nothing is explained", fontsize="small")
