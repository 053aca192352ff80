"""Figures that no screen is needed for, written whole or not at all."""

import os
import re
from contextlib import contextmanager
from io import BytesIO

from ..errors import PlatformError, UsageError
from ..files.outputs import whole

FIGURES = (
    b"\x89PNG",
    b"%PDF",
    b"%!PS",
    b"<?xml",
    b"<svg",
    b"\xff\xd8\xff",
    b"II*\0",
    b"RIFF",
    b"GIF8",
)  # how they begin


def is_no_figure(path):
    """Whether a file begins otherwise than figures do; an empty one is nothing."""
    with open(path, "rb") as file:
        start = file.read(max(map(len, FIGURES)))
    return bool(start) and not start.startswith(FIGURES)


class Inline(list):
    """Stands for a path: figures are kept as text, SVG that stands in a page of HTML in the colour
    of its text.
    """

    INK = "#1a2b3c"  # what becomes the colour of the text; nothing else has it

    def style(self):
        """What matplotlib is told for it; ids are of this figure alone."""
        inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        return dict.fromkeys(inked, self.INK) | {
            "font.size": 12,
            "svg.fonttype": "none",
            "svg.hashsalt": f"hpcpca {len(self)}",
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
        }

    def keep(self, drawn):
        """Add a figure (bytes of SVG)."""
        text = drawn.decode()
        text = text[text.index("<svg") :].replace(self.INK, "currentColor")
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r' id="[a-zA-Z][\w.]*_\d+"', "", text)  # of groups, the same in every figure
        for name in ("width", "height"):  # that of the page counts
            text = re.sub(rf'(<svg [^>]*?) {name}="[^"]*"', r"\1", text, count=1)
        self.append(text)


@contextmanager
def canvas(path, rows, columns, size):
    """Yield axes (rows, columns) of a figure that is written to ``path`` in the end, or kept if
    that is ``Inline``; raise UsageError, DataError or PlatformError.
    """
    try:
        import matplotlib
    except ImportError:
        raise PlatformError("figures need matplotlib: pip install 'hpcpca[plot]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    is_inline = isinstance(path, Inline)
    end = "svg" if is_inline else os.path.splitext(path)[1].lstrip(".").lower()
    if end not in plt.gcf().canvas.get_supported_filetypes():
        raise UsageError(f"-o {path}: a figure's name ends in .png, .pdf or .svg")
    plt.close("all")
    drawn = BytesIO()
    with matplotlib.rc_context(path.style() if is_inline else {}):
        figure, axes = plt.subplots(
            rows,
            columns,
            squeeze=False,
            figsize=(size[0] * columns, size[1] * rows),
            layout="constrained",
        )
        try:
            yield axes
            figure.savefig(drawn, dpi=120, format=end)
        finally:
            plt.close(figure)
    if is_inline:
        path.keep(drawn.getvalue())
        return
    with whole(path, count=len(drawn.getbuffer())) as part, open(part, "wb") as file:
        file.write(drawn.getbuffer())


def legend_below(axis, *handles_and_labels):
    """Put the legend under the axes, where no curve is."""
    axis.legend(
        *handles_and_labels,
        fontsize="x-small",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=4,
        frameon=False,
    )


def whole_ticks(axis):
    """Have ticks of the x axis at whole numbers only: there is no half round."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
