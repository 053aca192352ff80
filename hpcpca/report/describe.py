"""What a file holds, in lines of text."""

import json
import time

import numpy as np

from ..files.damage import reporting_damage
from ..files.formats import (
    CHECKPOINT,
    ERRORS,
    EXPERIMENT,
    OWED,
    PREDICTIONS,
    RECONSTRUCTION,
    RESULT,
    SCORES,
    TRUTH,
    WORKER_STATE,
)
from ..files.opening import open_file
from ..files.result import Stored
from ..linalg.angles import Separation
from ..linalg.determination import NONE, in_words, standing
from ..sources.listing import describe_data, is_other
from ..units import format_seconds, format_size

SHOWN = 12


def describe_file(path, about, dataset=None):
    """Return lines that say what an HDF5 file is: data, or one of ours; raise DataError.

    ``about(stored)`` knows what the problem that a Stored file is of has to say.
    """
    if is_other(path):
        return describe_data(path, dataset)
    with reporting_damage(path), open_file(path) as file:
        kind = str(file.attrs.get("format", ""))
        if kind in KINDS and not dataset:
            return KINDS[kind](file, path)
    if kind not in (RESULT, CHECKPOINT):
        return describe_data(path, dataset)
    stored = Stored(path)
    knows = about(stored)
    found = knows.described(stored)
    return _stored(stored, knows) if found is None else found + _origin(stored.source)


def _head(file, path, what):
    return (
        f"{path}: {what} of hpcpca {file.attrs['hpcpca_version']} (format"
        f" {file.attrs['format_version']})"
    )


def _scores(file, path):
    at, (rows, count) = file.attrs, file["scores"].shape
    how = ("" if at["centred"] else "not ") + "centred" + (", whitened" if at["whitened"] else "")
    return [
        _head(file, path, "scores"),
        (
            f"  {rows} rows on {count} components of {at['result']}, {how}: /scores"
            f" {file['scores'].dtype}"
        ),
        *_origin(json.loads(at["source"])),
    ]


def _reconstruction(file, path):
    return [
        _head(file, path, "reconstruction"),
        (
            f"  {' × '.join(map(str, file['data'].shape))} values from scores on"
            f" {file.attrs['result']}: /data {file['data'].dtype}"
        ),
        *_origin(json.loads(file.attrs["source"])),
    ]


def _errors(file, path):
    left, there = (
        np.square(file[f"column_{name}"][...]).sum() for name in ("errors", "deviations")
    )
    return [
        _head(file, path, "errors"),
        (
            f"  {len(file['row_errors'])} rows of {len(file['column_errors'])} columns on"
            f" components of {file.attrs['result']}, which leave {100 * left / there:.4g} % of"
            " their variance: /row_errors, /column_errors, /column_deviations"
        ),
        *_origin(json.loads(file.attrs["source"])),
    ]


def _predictions(file, path):
    at, made = file.attrs, file["predictions"]
    return [
        _head(file, path, "predictions"),
        (
            f"  {made.shape[0]} rows of {made.shape[1]} targets by {at['pairs']} pairs of"
            f" {at['result']}: /predictions {made.dtype}"
        ),
        *_origin(json.loads(at["source"])),
    ]


def _worker_state(file, path):
    own, shared = file.get("own", {}), file.get("shared", {})
    steps = f"after {shared['step'][()]} steps; " if "step" in shared else ""
    owed = {name: item.shape for name, item in own.items()}
    return [
        _head(file, path, f"state of {file.attrs['workers']} workers"),
        f"  {steps}{len(owed)} arrays of each worker, {len(shared)} of all alike",
        *(f"  /own/{name} {shape}" for name, shape in list(owed.items())[:SHOWN]),
        *["  …"] * (len(owed) > SHOWN),
    ]


def _owed(file, path):
    held = {}
    file["owed"].visititems(
        lambda name, item: held.update({name: item.shape}) if hasattr(item, "shape") else None
    )
    shown = [f"  /owed/{name} {' × '.join(map(str, shape))}" for name, shape in held.items()]
    return [
        _head(file, path, f"what is owed of {len(held)} matrices"),
        *shown[:SHOWN],
        *["  …"] * (len(shown) > SHOWN),
        *_origin(json.loads(file.attrs["source"])),
    ]


def _experiment(file, path):
    settings = ", ".join(
        f"{name} = {value}" for name, value in json.loads(file.attrs["settings"]).items()
    )
    series = [
        ", ".join(map(str, json.loads(group.attrs["labels"]).values()))
        for group in file["series"].values()
    ]
    return [
        _head(file, path, f"experiment {file.attrs['name']}"),
        f"  {settings}",
        f"  {len(series)} series, errors (seeds, rounds, components) of each:",
        *(f"  {text}" for text in series[:SHOWN]),
        *["  …"] * (len(series) > SHOWN),
    ]


def _truth(file, path):
    count, d = file["components"].shape
    return [
        f"{path}: truth of test data that hpcpca has made (format {file.attrs['format_version']})",
        (
            f"  {count} components of {d} features, {file.attrs['n_samples']} samples, total"
            f" variance {file.attrs['total_variance']:.6g}"
        ),
        f"  {file.attrs['meaning']}",
    ]


def _stored(stored, about):
    at, kind = stored.attributes, "checkpoint" if stored.is_checkpoint else "result"
    is_measured = np.isfinite(stored.arrays["residuals"]).any()
    lines = [
        (
            f"{stored.path}: {kind} of hpcpca {at['hpcpca_version']} (format"
            f" {at['format_version']}): {at['outcome']}"
        ),
        f"  {about.counted(stored)}, {about.origin(stored)}",
        (
            f"  {at['method']}, exchange {stored.config['exchange']}, operator {at['operator']},"
            f" tol {at['tol']:g}, seed {at['seed']}"
        ),
        (
            f"  {at['rounds']} rounds, {at['passes']:.4g} passes, {at['reads']:g} reads,"
            f" {format_seconds(at['seconds'])} on {at['ranks']} rank(s)"
        ),
        *(about.lines(stored) if is_measured else ["  nothing measured yet"]),
    ]
    if at.get("changed"):
        lines.append(f"  data changed: {at['changed']}; measure it with 'hpcpca verify'")
    if at.get("estimated"):
        lines.append(
            "  eigenvalues and residuals are estimates from mini-batches; nothing follows from them"
            " for angles"
        )
    if stored.is_checkpoint:
        lines.append(f"  to go on from round {at['state_round']}: hpcpca resume {stored.path}")
    if is_measured:
        lines += _components(stored, about.shares(stored))
    return lines + _origin(stored.source)


def _origin(parts):
    """A line for each of the first files that something was made from."""
    lines = []
    for part in parts[:SHOWN]:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(part["mtime"]))
        lines.append(
            f"  from {part['path']}:{part['dataset']}: {part['rows']} × {part['columns']}"
            f" {np.dtype(part['dtype'])}, {format_size(part['size'])}, {when}"
        )
    return lines + [f"  … {len(parts)} files in all"] * (len(parts) > SHOWN)


def _components(stored, shares):
    arrays, words = stored.arrays, standing_of(stored)
    ratio = "" if shares is None else f" {'ratio':>9}"
    lines = [
        f"  {'component':>9} {'eigenvalue':>14}{ratio} {'residual':>9} {'angle ≤':>9}  standing"
    ]
    for k in range(min(SHOWN, stored.count)):
        ratio = "" if shares is None else f" {shares[k]:>9.5f}"
        lines.append(
            f"  {k:>9} {stored.eigenvalues[k]:>14.7g}{ratio} {arrays['residuals'][k]:>9.1e}"
            f" {arrays['angle_bounds'][k]:>9.1e}  {words[k]}"
        )
    if stored.count > SHOWN:
        lines.append(f"  {'…':>9}")
    lines.append(f"  {in_words(words)}")
    return lines + cluster_lines(arrays["clusters"], arrays["cluster_angle_bounds"], words)


def standing_of(stored):
    """A word for each component; of results that have none stored, from the figures they have."""
    arrays, at = stored.arrays, stored.attributes
    if "standing" in arrays:
        return [word.decode() for word in arrays["standing"]]
    found = Separation(
        None, arrays["angle_bounds"], arrays["clusters"], arrays["cluster_angle_bounds"]
    )
    guards = arrays["guard_eigenvalues"], arrays["guard_residuals"]
    return standing(
        stored.eigenvalues, arrays["residuals"], *guards, found, rounding=at["rounding"]
    ).tolist()


def cluster_lines(clusters, bounds, words):
    """One line for every cluster of components that there are, by their ``words``."""
    pairs = [
        (cluster, bound) for cluster, bound in zip(clusters, bounds) if words[cluster[0]] != NONE
    ]
    return [
        f"  components {first}–{stop - 1} form a cluster"
        + (" that goes on past the last one computed" if cut else "")
        + ": take them as a subspace (angle "
        + ("not known)" if np.isnan(bound) else f"≤ {bound:.1e})")
        for (first, stop, cut), bound in pairs
    ]


KINDS = {
    SCORES: _scores,
    ERRORS: _errors,
    WORKER_STATE: _worker_state,
    OWED: _owed,
    RECONSTRUCTION: _reconstruction,
    PREDICTIONS: _predictions,
    EXPERIMENT: _experiment,
    TRUTH: _truth,
}
