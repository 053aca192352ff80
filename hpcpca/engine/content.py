"""What results and checkpoints hold of every problem, as named arrays and attributes."""

import json
from dataclasses import dataclass

import numpy as np

from .._version import __version__
from ..files.formats import CHECKPOINT, RESULT, VERSIONS
from ..files.hdf5 import Rows
from ..files.result import MEMORY
from ..linalg.orth import with_positive_peak


@dataclass
class Unbuilt:
    """Stands for the operator of a run that is stopped before it has one."""

    d: int
    is_double: bool
    exponent: int = 0
    rounding: float = 0.0


def known(operator):
    """The operator, or None if there is none yet."""
    return None if isinstance(operator, Unbuilt) else operator


@dataclass(frozen=True)
class Content:
    """What is known at the end of a round; eigenvalues in the data's own units."""

    state: object  # methods.State
    offsets: np.ndarray  # (ranks + 1) who owns which of the m rows of the panel
    first: int  # this rank's first row
    components: int  # K
    eigenvalues: np.ndarray  # (m)
    rounding: float  # error of the operator relative to λ_0, which residuals do not show
    judgement: object  # linalg.Judgement
    history: dict
    attributes: dict  # config, source, outcome …
    is_result: bool  # else a checkpoint, which may leave out what takes long


def result_arrays(problem, content):
    """{name: array or Rows} of a result. Residuals are relative to the largest eigenvalue."""
    count, values, residuals = content.components, content.eigenvalues, content.state.residuals
    found = content.judgement.separation
    own = content.state.vectors[: max(0, min(len(content.state.vectors), count - content.first))]
    return {
        problem.vectors: Rows(
            own * with_positive_peak(own)[:, None], np.minimum(content.offsets, count)
        ),
        problem.eigenvalues: values[:count],
        "residuals": residuals[:count],
        "standing": content.judgement.standing.astype("S"),
        "angle_bounds": found.bounds,
        "clusters": found.clusters,
        "cluster_angle_bounds": found.cluster_bounds,
        "guard_eigenvalues": values[count:],
        "guard_residuals": residuals[count:],
        **content.history,
    }


def root_attributes(problem, content, kind):
    """Root attributes of a result or checkpoint."""
    return {
        "format": kind,
        "format_version": VERSIONS[kind],
        "hpcpca_version": __version__,
        "problem": problem.name,
        "vectors": problem.vectors,
        "eigenvalues": problem.eigenvalues,
        "rounding": content.rounding,
        **content.attributes,
    }


def result_of(problem, content, operator, kind=RESULT):
    """Return (attributes, arrays) of a result file, or of what a checkpoint shares with one."""
    arrays, attributes = problem.result(content, known(operator))
    return (
        root_attributes(problem, content, kind) | attributes,
        result_arrays(problem, content) | arrays,
    )


def whole(exchange, arrays):
    """Return ``arrays`` {name: the root's array, or ``Rows``} as all of them on all ranks.

    Collective.
    """
    small = exchange.gather_objects(
        {} if exchange.rank else {n: a for n, a in arrays.items() if not isinstance(a, Rows)}
    )[0]
    return {
        name: exchange.gather_small(array.own, array.offsets)
        if isinstance(array, Rows)
        else np.asarray(small[name])
        for name, array in arrays.items()
    }


def checkpoint_of(problem, content, operator, unfinished=None):
    """Return (attributes, arrays) of a checkpoint: a result, plus the state to go on from.

    Images are scaled; true ones are theirs times 2**state_exponent. ``unfinished`` is what there is
    of a pass that was stopped.
    """
    state = content.state
    attributes, arrays = result_of(problem, content, operator, CHECKPOINT)
    attributes |= {
        "state_round": state.round,
        "state_exponent": operator.exponent,
        "state_double": operator.is_double,
        "state_has_images": state.has_images,
    }
    arrays |= {
        "state/vectors": Rows(state.vectors, content.offsets),
        "state/images": Rows(state.images, content.offsets),
    }
    arrays |= {MEMORY + name: Rows(array, content.offsets) for name, array in state.memory.items()}
    more_arrays, more_attributes = problem.stored(known(operator), unfinished)
    return attributes | more_attributes, arrays | more_arrays


def attributes_of(context, report, operator, outcome):
    """Attributes that say how a result came about."""
    config = context.config
    return {
        "config": json.dumps(config.stored()),
        "source": json.dumps(context.data.describe()),
        "outcome": outcome,
        "seed": config.seed,
        "tol": config.tol,
        "method": config.method,
        "operator": context.plan.operator,
        "rounds": report.state.round,
        "seconds": report.seconds,
        "estimated": report.state.estimated,
        "seconds_by_activity": json.dumps(context.counters.split()),
        "n_features": operator.d,
        "ranks": context.world.size,
    }
