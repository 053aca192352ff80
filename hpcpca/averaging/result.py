"""What results and checkpoints of ``compress`` hold, and what ``info`` says of them."""

import json

import numpy as np

from .._version import __version__
from ..engine.about import About
from ..files.formats import VERSIONS
from ..files.hdf5 import Rows
from ..units import format_seconds
from .iteration import State

SHOWN = 40  # matrices


def averaged(context):
    """Return {name: mean} of what is averaged as it is, on the root; {} elsewhere. Collective."""
    found = {}
    with context.world.agreed():
        if context.world.is_root:
            for each in context.data.others:
                with context.counters.time("read"):
                    total = sum(values.read() for values in each)
                found[each[0].dataset] = np.asarray(total / len(each), _type_of(each[0].dtype))
    return found


def _type_of(dtype):
    """The type that means of values of a type are written in."""
    dtype = np.dtype(dtype)
    return dtype if dtype in (np.float32, np.float64) else np.float64


def shares_of(found):
    """Return σ_k² of the pairs of a mean, each over the largest."""
    return found.squares / max(found.squares.max(initial=0.0), np.finfo(float).tiny)


def whole_error(found, shards):
    """Return the error over all matrices, ‖M − PQᵀ‖/‖M‖ with both summed over them."""
    unit = max((shard.exponent for shard in shards), default=0)
    norms = np.ldexp([each.norm for each in found], [s.exponent - unit for s in shards])
    largest = norms.max(initial=0.0)
    if not largest:
        return 0.0
    squares = (norms / largest) ** 2
    errors = np.array([each.error**2 for each in found])
    return float(np.sqrt((squares * errors).sum() / squares.sum()))


def told(data, found, error):
    """Yield lines on a run that ends."""
    times = data.entries / max(1, data.kept)
    yield (
        f"error ‖M − PQᵀ‖/‖M‖ over {len(found)} matrices: {error:.3g};"
        f" {times:.3g} times fewer numbers than a file has"
    )


def arrays(run):
    """Return {dataset: array or Rows} of a result."""
    found, matrices = run.report.state.found, run.context.data.matrices
    held = {}
    for matrix, shard, one in zip(matrices, run.shards, found):
        kind = matrix.work
        held[f"{matrix.name}/P"] = Rows(np.ascontiguousarray(one.p.T, dtype=kind), shard.edges)
        q = np.ldexp(one.q.T, shard.exponent)
        held[f"{matrix.name}/Q"] = np.ascontiguousarray(q, dtype=kind)
    others = run.context.data.others
    for each in others:
        name = each[0].dataset
        held[f"{name}/mean"] = run.others.get(name, np.zeros(each[0].shape))
    ranks = [matrix.rank for matrix in matrices]
    return held | {
        "compression/names": _coded([matrix.name for matrix in matrices]),
        "compression/averaged": _coded([each[0].dataset for each in others]),
        "compression/shapes": np.array([m.shape for m in matrices], np.int64).reshape(-1, 2),
        "compression/ranks": np.array(ranks, np.int64),
        "compression/errors": np.array([one.error for one in found]),
        "compression/norms": np.ldexp(
            [one.norm for one in found], [shard.exponent for shard in run.shards]
        ),
        # of all pairs, one matrix's after another's
        "compression/shares": run.report.eigenvalues,
        "compression/residuals": run.report.residuals,
    }


def _coded(names):
    return np.array(
        [name.encode() for name in names], dtype=f"S{max(map(len, names), default=0) * 4 + 1}"
    )


def decoded(names):
    """The inverse: list of str."""
    return [name.decode() for name in names]


def state_arrays(names, state):
    """Return {dataset: array} of what a run goes on from."""
    return {f"state/vectors/{name}": rows for name, rows in zip(names, state.vectors)}


def taken_up(start, names):
    """Return the state that a Stored checkpoint, or result, goes on from: the round of a checkpoint
    is measured again.
    """
    rounds = start.attributes["rounds"]
    if start.is_checkpoint:
        return State(rounds - 1, [start.arrays[f"state/vectors/{name}"] for name in names])
    rows = [start.arrays[f"{name}/Q"].T.astype(np.float64) for name in names]
    peaks = [np.abs(each).max(axis=1, keepdims=True, initial=0.0) for each in rows]
    return State(rounds, [each / np.where(peak > 0, peak, 1) for each, peak in zip(rows, peaks)])


def root_attributes(kind, run, outcome):
    """Return the root attributes of a result or a checkpoint."""
    config, context = run.config, run.context
    return {
        "format": kind,
        "format_version": VERSIONS[kind],
        "hpcpca_version": __version__,
        "problem": "compress",
        "vectors": "",
        "eigenvalues": "compression/shares",
        "residuals": "compression/residuals",
        "rounding": 0.0,
        "config": json.dumps(config.stored()),
        "source": json.dumps(context.data.describe()),
        "files": len(context.data.files),
        "outcome": outcome,
        "seed": config.seed,
        "tol": config.tol,
        "method": "subspace iteration",
        "operator": "in-memory" if run.is_held else "streaming",
        "error": run.report.loss,
        "entries": context.data.entries,
        "kept": context.data.kept,
        "rounds": run.report.state.round,
        **run.counts(),
        "seconds": run.report.seconds,
        "seconds_by_activity": json.dumps(context.counters.split()),
        "ranks": context.world.size,
    }


class AboutCompression(About):
    """A table of matrices."""

    def spectra(self, stored):
        """Return {name: (‖q_k‖ (r), error)} of each matrix, both over its norm."""
        found, told = stored.arrays, {}
        columns = (found[f"compression/{what}"] for what in ("norms", "errors"))
        for name, norm, error in zip(decoded(found["compression/names"]), *columns):
            q = found[f"{name}/Q"].astype(np.float64) / (norm or 1.0)
            told[name] = np.linalg.norm(q, axis=0), error
        return told

    def described(self, stored):
        """Return all lines on a Stored file."""
        at, found = stored.attributes, stored.arrays
        kind = "checkpoint" if stored.is_checkpoint else "result"
        names, whole = decoded(found["compression/names"]), decoded(found["compression/averaged"])
        lines = [
            f"{stored.path}: {kind} of hpcpca {at['hpcpca_version']} (format"
            f" {at['format_version']}): {at['outcome']}",
            f"  means of {len(names)} matrices in {at['files']} file(s), error {at['error']:.3g},"
            f" {at['entries'] / max(1, at['kept']):.3g} times fewer numbers than a file has;"
            f" {len(whole)} datasets averaged as they are",
            f"  {at['rounds']} rounds, {at['reads']:.4g} reads, {format_seconds(at['seconds'])} on"
            f" {at['ranks']} rank(s), tol {at['tol']:g}, seed {at['seed']}",
        ]
        if stored.is_checkpoint:
            lines.append(f"  to go on: hpcpca resume {stored.path}")
        width = max(6, *map(len, names[:SHOWN])) if names else 6
        lines.append(f"  {'matrix':<{width}} {'n':>8} {'m':>8} {'rank':>4} {'error':>9}")
        columns = (found[f"compression/{what}"] for what in ("shapes", "ranks", "errors"))
        for name, (n, m), rank, error in list(zip(names, *columns))[:SHOWN]:
            lines.append(f"  {name:<{width}} {n:>8} {m:>8} {rank:>4} {error:>9.3g}")
        return [*lines, *["  …"] * (len(names) > SHOWN)]


ABOUT = AboutCompression()
