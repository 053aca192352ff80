"""What a regression predicts: Ŷ = (X − 1x̄ᵀ)·W + 1ȳᵀ, rows streamed from files to a file."""

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from .._version import __version__
from ..errors import DataError, on_all_ranks
from ..files.formats import PREDICTIONS
from ..files.result import ours_among
from ..kernels import kernels_for
from ..mapping.projection import Reconstruction, Scoring
from ..mapping.streaming import Made, Mapping, check_written, named, on_nodes
from ..operators.centring import work_type
from ..sources.source import open_source
from .model import Prediction, load_model

FORMAT_VERSION = 1
DATASET = "predictions"


def predict(world, say, result, data, writing, *, count=None, reading=MappingProxyType({})):
    """Write what ``result`` predicts from the rows of ``data`` as /predictions (n, q); raise
    DataError, UsageError on all ranks. Collective.
    """
    world.decide(lambda: check_written(writing, [result, *named(data)]))
    model = world.decide(lambda: load_model(result, count))
    own = ours_among([result, writing.output])
    how = world.decide(lambda: replace(model.reading, rows=None).but(**reading))
    source = world.decide(lambda: open_source(data, how, own=own))
    source.tell(say)
    learned = replace(model.learned, left_out=None)  # rows of other data
    source.learn(replace(learned, columns=None) if "columns" in reading else learned)
    if source.d != model.inputs:
        raise on_all_ranks(
            DataError(
                f"{source.parts[0].name} has {source.d} columns, {result} has {model.inputs}"
                " inputs; give data with the inputs that were fitted"
            )
        )
    kind = np.dtype(writing.dtype or work_type(source.dtype, False))
    work = work_type(source.dtype, kind == np.float64)
    kernels = kernels_for(source.n * source.d // world.size, [source.dtype])
    world.first_on_node(
        lambda: kernels.is_warm(source.dtype), lambda: kernels.warm_up(source.dtype)
    )
    ones = np.ones(model.count)
    inputs = on_nodes(world, (model.count, model.inputs), work, model.rows("inputs"))
    components = on_nodes(world, (model.count, model.targets), work, model.rows("components"))

    def prediction(team):
        return Prediction(
            Scoring(inputs.array, model.input_mean, source.dtype, ones, kernels, team=team),
            Reconstruction(components.array, model.target_mean, ones, team),
            model.count,
        )

    scratch = max(
        Scoring.scratch(model.inputs, model.count, work),
        Reconstruction.scratch(model.targets, model.count, work),
    )
    made = Made(DATASET, model.targets, kind, _header(model, source), f"{model.count} pairs")
    mapping = Mapping(world, source, [inputs, components], scratch, between=8 * model.count)
    mapping.run(say, writing, made, prediction)


def _header(model, source):
    """Root attributes of a file of predictions."""
    return {
        "format": PREDICTIONS,
        "format_version": FORMAT_VERSION,
        "hpcpca_version": __version__,
        "result": model.path.encode(errors="surrogateescape").decode(errors="backslashreplace"),
        "result_seal": model.seal,
        "pairs": model.count,
        "source": json.dumps(source.describe()),
        "n_samples": source.n,
        "n_inputs": model.inputs,
    }
