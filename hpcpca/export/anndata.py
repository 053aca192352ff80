"""Components and scores as AnnData, where scanpy looks for them: varm/PCs, obsm/X_pca, uns/pca."""

import os
import shutil

import numpy as np

from .._version import __version__
from ..errors import DataError
from ..files import h5ad
from ..files.hdf5 import OVERHEAD, writing
from ..files.outputs import whole
from ..pca.features import of_result
from ..pca.matching import laid_out
from .rows import reading
from .samples import of_scores

LOADINGS, SCALE, SCORES, ABOUT = "PCs", "PCs_scale", "X_pca", "pca"


def to_anndata(asked):
    """Write a result, and scores on it if there are any, as AnnData of their own; or add them to
    those that are there. Return what it is, in words; raise DataError, UsageError.
    """
    stored = asked.result()
    size = 8 * (stored.count + 1) * stored.source[0]["columns"]
    if asked.scores:
        with reading(asked.scores, asked.memory) as rows:
            observations, count = rows.opened.shape
            size += observations * count * rows.opened.dtype.itemsize
    else:
        observations = 0
    if asked.into:
        size += os.path.getsize(asked.output)
    with whole(asked.output, count=size + OVERHEAD) as part:
        if asked.into:
            shutil.copyfile(asked.output, part)
        with writing(part, "r+" if asked.into else "w") as file:
            if not asked.into:
                _begin(file, stored, asked.scores, observations)
            _add(file, asked, stored, observations)
    return f"components, {stored.count} × {stored.d}" + (
        f", and scores of {observations} observations" if asked.scores else ""
    )


def _begin(file, stored, scores, observations):
    width = stored.source[0]["columns"]
    names = _names(stored, width)
    samples = of_scores(scores) if scores else None
    words = samples.words() if samples and samples.values is not None else None
    h5ad.begin(file, words or [str(k) for k in range(observations)], names)


def _names(stored, width):
    """Names of all columns that the files have."""
    axes = of_result(stored).axes
    if len(axes) == 1 and axes[0].values is not None:
        return axes[0].words()
    return [str(number) for number in range(width)]


def _add(file, asked, stored, observations):
    there = h5ad.sizes(file, asked.output)
    if asked.scores and there[0] != observations:
        raise DataError(
            f"{asked.output} has {there[0]} observations, {asked.scores} has scores of"
            f" {observations} rows; give scores of all its rows"
        )
    places = _places(file, asked, stored, there[1])
    tables = {name: h5ad.table(file, name) for name in ("varm", "obsm", "uns")}
    new = [("varm", LOADINGS), ("varm", SCALE), ("uns", ABOUT)]
    for table, name in new + [("obsm", SCORES)] * bool(asked.scores):
        if name in tables[table] and not asked.overwrite:
            raise DataError(
                f"{asked.output} has {table}/{name} already; give --overwrite, or -o another file"
            )
        tables[table].pop(name, None)
    loadings = h5ad.array(tables["varm"], LOADINGS, (there[1], stored.count), "f8")
    for k in range(stored.count):
        loadings[:, k] = laid_out(stored.vectors(k, k + 1), places, there[1])[0]
    if "scale" in stored.arrays:
        scale = h5ad.array(tables["varm"], SCALE, (there[1], 1), "f8")
        scale[:, 0] = laid_out(stored.arrays["scale"][None], places, there[1])[0]
    if asked.scores:
        with reading(asked.scores, asked.memory) as rows:
            made = h5ad.array(tables["obsm"], SCORES, rows.opened.shape, rows.opened.dtype)
            for first, some in rows.pieces():
                made[first : first + len(some)] = some
    _about(h5ad.table(tables["uns"], ABOUT), stored)


def _places(file, asked, stored, width):
    """Where each column that was fitted stands among the variables; raise DataError."""
    features = of_result(stored)
    if features.names is not None:
        there = {name: number for number, name in enumerate(h5ad.names(file, "var"))}
        places = np.array([there.get(name, -1) for name in features.names])
        if len(there) == width and (places >= 0).all():
            return places
    if width != stored.source[0]["columns"]:
        raise DataError(
            f"{asked.output} has {width} variables, {asked.text} was fitted to"
            f" {stored.source[0]['columns']} columns; add to the data that were fitted"
        )
    return np.arange(width) if features.columns is None else features.columns


def _about(table, stored):
    """What scanpy keeps of a PCA, and by what it was made."""
    for name, of in {
        "variance": "explained_variance",
        "variance_ratio": "explained_variance_ratio",
        "residuals": "residuals",
        "angle_bounds": "angle_bounds",
    }.items():
        values = stored.arrays[of]
        h5ad.array(table, name, values.shape, values.dtype)[...] = values
    params = h5ad.table(table, "params")
    h5ad.scalar(params, "zero_center", not stored.config.get("no_centre", False))
    h5ad.scalar(params, "use_highly_variable", "columns" in stored.arrays)
    h5ad.scalar(params, "hpcpca_version", __version__)
    h5ad.scalar(params, "hpcpca_config", stored.attributes["config"])
