"""Components and scores as NetCDF-4, along the axes that the data had."""

import os
from math import prod

import numpy as np

from .._version import __version__
from ..files.hdf5 import OVERHEAD, writing
from ..files.netcdf4 import Dataset
from ..files.outputs import whole
from ..pca.features import of_result
from ..sources.labels import Axis
from .rows import reading
from .samples import of_scores

SPECTRUM = {
    "explained_variance": "eigenvalue of the covariance",
    "explained_variance_ratio": "share of the total variance",
    "residuals": "measured residual, relative to the largest eigenvalue",
    "angle_bounds": "bound on the sine of the angle to the true component",
}
SCALE = "what values of the data were multiplied by before the fit"


def to_netcdf(asked):
    """Write a result, and scores on it if there are any; return what it is, in words. Columns that
    were not taken are missing values.
    """
    stored = asked.result()
    axes = _axes(stored)
    lengths = [length for _, length in axes]
    size = 8 * prod(lengths) * (stored.count + 2)
    if asked.scores:
        size += os.path.getsize(asked.scores)
    with whole(asked.output, count=size + OVERHEAD) as part, writing(part) as file:
        made = Dataset(file)
        component = made.dimension("component", stored.count, np.arange(stored.count))
        names = [
            made.dimension(axis.name or f"feature{number or ''}", length, axis.values, axis.units)
            for number, (axis, length) in enumerate(axes)
        ]
        spread = _Spread(stored, lengths)
        told = ", of values times scale" if "scale" in stored.arrays else ""
        vectors = made.variable(
            "components", "f8", [component, *names], long_name="principal components" + told
        )
        for k in range(stored.count):
            vectors[k] = spread(stored.vectors(k, k + 1)[0])
        features = {"mean": "mean of the rows fitted" + told, "scale": SCALE}
        for name, meaning in features.items():
            if name in stored.arrays:
                values = made.variable(name, "f8", names, long_name=meaning)
                values[...] = spread(stored.arrays[name])
        for name, meaning in SPECTRUM.items():
            if name in stored.arrays:
                values = made.variable(name, "f8", [component], long_name=meaning)
                values[...] = stored.arrays[name]
        if asked.scores:
            _write_scores(made, asked, component)
        made.describe(
            title="principal components",
            source=f"hpcpca {__version__}",
            hpcpca_config=stored.attributes["config"],
            outcome=stored.attributes["outcome"],
            total_variance=float(stored.attributes["total_variance"]),
        )
    words = f"components, {' × '.join(map(str, [stored.count, *lengths]))}"
    return words + (", and scores" if asked.scores else "")


def _axes(stored):
    """[(Axis, length)] of a sample as the files have it."""
    known = of_result(stored).axes
    shape = stored.attributes.get("feature_shape", (stored.source[0]["columns"],))
    if len(known) != len(shape):
        known = [Axis()] * len(shape)
    return [(axis, int(length)) for axis, length in zip(known, shape)]


class _Spread:
    """Vectors of the columns that were taken, along all axes."""

    def __init__(self, stored, lengths):
        self._columns, self._lengths = stored.arrays.get("columns"), lengths

    def __call__(self, vector):
        if self._columns is None:
            return vector.reshape(self._lengths)
        whole = np.full(prod(self._lengths), np.nan)
        whole[self._columns] = vector
        return whole.reshape(self._lengths)


def _write_scores(made, asked, component):
    with reading(asked.scores, asked.memory) as rows:
        samples, dtype = of_scores(asked.scores), rows.opened.dtype
        name = made.dimension(
            samples.name or "sample", rows.opened.shape[0], samples.values, samples.units
        )
        some_component = component
        if rows.opened.shape[1] != made.length(component):
            some_component = made.dimension("scored_component", rows.opened.shape[1])
        item = made.variable("scores", dtype, [name, some_component], long_name="scores")
        for first, some in rows.pieces():
            item[first : first + len(some)] = some
