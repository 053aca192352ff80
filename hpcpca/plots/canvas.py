"""Figures that no screen is needed for, written whole or not at all."""

import os
from contextlib import contextmanager

from ..errors import DataError, PlatformError, UsageError, describe


@contextmanager
def canvas(path, rows, columns, size):
    """Yield axes (rows, columns) of a figure that is written to ``path`` in the end; raise UsageError, DataError or PlatformError."""
    try:
        import matplotlib
    except ImportError:
        raise PlatformError("figures need matplotlib: pip install 'hpcpca[plot]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    end = os.path.splitext(path)[1].lstrip(".").lower()
    if end not in plt.gcf().canvas.get_supported_filetypes():
        raise UsageError(f"-o {path}: a figure's name ends in .png, .pdf or .svg")
    plt.close("all")
    figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    try:
        yield axes
        figure.savefig(f"{path}.part", dpi=120, format=end)
        os.replace(f"{path}.part", path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {describe(error)}; name another place with -o") from None
    finally:
        plt.close(figure)
        if os.path.exists(f"{path}.part"):
            os.remove(f"{path}.part")
