"""Results as datasets of xarray, whose dimensions have names."""

from importlib import import_module
from math import prod

import numpy as np

from ..errors import DataError, PlatformError
from .result import lacking

OF_COMPONENTS = (
    *("explained_variance", "explained_variance_ratio", "singular_values", "residuals"),
    *("angle_bounds", "standing"),
)


def dataset_of(result, like=None):
    """Return the ``xarray.Dataset`` of principal components; raise DataError, PlatformError."""
    try:
        xarray = import_module("xarray")
    except ImportError:
        raise PlatformError(lacking("xarray", "xarray")) from None
    dims, shape, coordinates = _features(result, like)
    arrays = {"components": (("component", *dims), result.components_.reshape(-1, *shape))}
    for name in OF_COMPONENTS:
        if name in result.arrays:
            found = result.arrays[name]
            arrays[name] = ("component", found.astype(str) if found.dtype.kind == "S" else found)
    for name in ("mean", "scale"):
        if name in result.arrays:
            arrays[name] = (dims, result.arrays[name].reshape(shape))
    coordinates = {"component": np.arange(result.n_components_)} | coordinates
    attributes = {
        name: result.attributes[name]
        for name in ("total_variance", "noise_variance", "n_samples", "outcome", "tol")
        if name in result.attributes
    }
    return xarray.Dataset(arrays, coordinates, attributes)


def _features(result, like):
    """(Dimensions, lengths, coordinates) of the features."""
    d, columns = result.components_.shape[1], result.arrays.get("columns")
    if like is None:
        shape = tuple(int(each) for each in result.attributes.get("feature_shape", ()))
        if len(shape) > 1 and columns is None:
            return tuple(f"axis_{number}" for number in range(1, len(shape) + 1)), shape, {}
        return ("feature",), (d,), {"feature": np.arange(d) if columns is None else columns}
    dims, shape = like.dims[1:], like.shape[1:]
    if columns is not None and len(dims) == 1 and max(columns, default=0) < shape[0]:
        chosen = like.isel({dims[0]: columns}).coords
        return dims, (d,), {name: each for name, each in chosen.items() if each.dims == dims}
    if prod(shape) != d or columns is not None:
        raise DataError(
            f"like has features of {shape}, the components have {d}"
            + (" of chosen columns" if columns is not None else "")
            + "; give an array as that which was fitted"
        )
    inside = set(dims)
    return dims, shape, {n: each for n, each in like.coords.items() if set(each.dims) <= inside}
