"""What a file holds, in lines of text."""

import time
from itertools import islice

import numpy as np

from ..errors import DataError
from ..units import format_seconds, format_size
from .damage import naming
from .result import CHECKPOINT, FORMAT, Stored
from .source import HELD, element_type, find_dataset, held_otherwise, numeric_2d, open_file

SHOWN = 12


def describe_file(path, dataset=None):
    """Return lines that say what an HDF5 file is: data, result or checkpoint; raise DataError."""
    with naming(path), open_file(path) as file:
        if file.attrs.get("format") not in (FORMAT, CHECKPOINT):
            return _data(file, path, dataset)
    return _stored(Stored(path))


def _data(file, path, dataset):
    names = [dataset] if dataset else numeric_2d(file)
    lines = [f"{path}: data, {len(names)} two-dimensional dataset(s)"]
    if not names:
        lines += [f"  {text}" for text in islice(held_otherwise(file, path), HELD)]
    for name in names:
        item = find_dataset(file, path, name)
        stored, held = item.id.get_storage_size(), item.size * item.dtype.itemsize
        how = f"chunks {item.chunks}" if item.chunks else "contiguous"
        how += f", {item.compression}" if item.compression else ""
        try:
            element_type(item.dtype, name)
            use = ""
        except DataError as error:
            use = f"  (cannot be used: {error})"
        lines.append(f"  {name.lstrip('/')}: {item.shape[0]} rows × {item.shape[1]} columns {item.dtype}, {format_size(held)} "
                     f"({format_size(stored)} stored), {how}{use}")
    return lines


def _stored(stored):
    at, kind = stored.attributes, "checkpoint" if stored.is_checkpoint else "result"
    is_measured = np.isfinite(stored.arrays["residuals"]).any()
    lines = [f"{stored.path}: {kind} of hpcpca {at['hpcpca_version']} (format {at['format_version']}): {at['outcome']}",
             f"  {stored.count} components of {stored.d} features, " + ("of a covariance" if stored.config["covariance"] else f"{_samples(stored)} samples"),
             f"  {at['method']}, exchange {stored.config['exchange']}, operator {at['operator']}, tol {at['tol']:g}, seed {at['seed']}",
             f"  {at['rounds']} rounds, {at['passes']:.4g} passes, {at['reads']:g} reads, {format_seconds(at['seconds'])} on {at['ranks']} rank(s)",
             _variance(stored) if is_measured else "  nothing measured yet"]
    if stored.is_checkpoint:
        lines.append(f"  to go on from round {at['state_round']}: hpcpca resume {stored.path}")
    if is_measured:
        lines += _components(stored)
    for part in stored.source[:SHOWN]:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(part["mtime"]))
        lines.append(f"  from {part['path']}:{part['dataset']}: {part['rows']} × {part['columns']} {np.dtype(part['dtype'])}, {format_size(part['size'])}, {when}")
    if len(stored.source) > SHOWN:
        lines.append(f"  … {len(stored.source)} files in all")
    return lines


def _samples(stored):
    """Number of rows; a run that was stopped in its first pass knows them from its files only."""
    return stored.attributes.get("n_samples", sum(part["rows"] for part in stored.source))


def _variance(stored):
    explained = stored.arrays["explained_variance_ratio"].sum()
    return f"  total variance {stored.attributes['total_variance']:.6g}, of which these explain {100 * explained:.2f} %"


def _components(stored):
    arrays = stored.arrays
    lines = [f"  {'component':>9} {'eigenvalue':>14} {'ratio':>9} {'residual':>9} {'angle ≤':>9}"]
    columns = zip(*(arrays[name][:SHOWN] for name in ("explained_variance", "explained_variance_ratio", "residuals", "angle_bounds")))
    lines += [f"  {k:>9} {value:>14.7g} {ratio:>9.5f} {residual:>9.1e} {bound:>9.1e}" for k, (value, ratio, residual, bound) in enumerate(columns)]
    if stored.count > SHOWN:
        lines.append(f"  {'…':>9}")
    return lines + cluster_lines(arrays["clusters"], arrays["cluster_angle_bounds"])


def cluster_lines(clusters, bounds):
    """One line for every cluster."""
    return [f"  components {first}–{stop - 1} form a cluster" + (" that goes on past the last one computed" if cut else "")
            + f": take them as a subspace (angle ≤ {bound:.1e})" for (first, stop, cut), bound in zip(clusters, bounds)]
