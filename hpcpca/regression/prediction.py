"""What a regression predicts: Ŷ = (X − 1x̄ᵀ)·W + 1ȳᵀ, rows streamed from files to a file."""

import json
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from .._version import __version__
from ..errors import DataError, UsageError, on_all_ranks
from ..files.formats import PREDICTIONS
from ..files.opening import open_file
from ..files.result import Stored, ours_among
from ..kernels import kernels_for
from ..mapping.projection import Reconstruction, Scoring
from ..mapping.streaming import Made, Mapping, check_written, named, on_nodes
from ..operators.centring import work_type
from ..sources.learned import Learned
from ..sources.reading import Reading
from ..sources.source import open_source

FORMAT_VERSION = 1
DATASET = "predictions"


@dataclass(frozen=True)
class Model:
    """The first ``count`` pairs of a result: all but the pairs themselves."""

    path: str
    count: int
    inputs: int  # d
    targets: int  # q
    input_mean: np.ndarray  # (d); zero if rows were not centred
    target_mean: np.ndarray  # (q)
    seal: int  # of the result
    reading: Reading  # of the inputs that were fitted
    learned: Learned  # of these inputs

    def rows(self, name):
        """``rows(start, stop)`` of a dataset of the result."""

        def read(start, stop):
            with open_file(self.path) as file:
                return file[name][start:stop]

        return read


def load_model(path, count=None):
    """Check a result and return its ``Model`` of ``count`` pairs (default all); raise DataError,
    UsageError. For one rank to call.
    """
    stored = Stored(path)
    if stored.problem == "regress --modules":
        raise DataError(
            f"{path} has pairs of many modules: multiply a module's rows by its inputsᵀ·components"
            " and add its intercept yourself"
        )
    if stored.problem != "regress":
        raise DataError(
            f"{path} is a result of 'hpcpca {stored.problem}'; predictions are made with results"
            " of 'hpcpca regress'"
        )
    if stored.is_checkpoint and "inputs" not in stored.shapes:
        raise DataError(
            f"{path} is a checkpoint, which has not the inputs' side of its pairs yet; go on with"
            f" 'hpcpca resume {path}'"
        )
    if "r2" not in stored.arrays:
        raise DataError(
            f"{path} relates inputs and targets (--whiten {stored.config['whiten']}), and predicts"
            " nothing; fit it with --whiten x"
        )
    if stored.config["covariance"]:
        raise DataError(
            f"{path} comes from a covariance and knows no means; multiply centred rows by"
            " inputsᵀ·components yourself"
        )
    count = stored.count if count is None else count
    if not 1 <= count <= stored.count:
        raise UsageError(f"-r {count}: {path} has {stored.count}; ask for 1 to {stored.count}")
    inputs = int(stored.attributes["n_inputs"])
    return Model(
        path,
        count,
        inputs,
        stored.d,
        stored.arrays.get("input_mean", np.zeros(inputs)),
        stored.arrays.get("target_mean", np.zeros(stored.d)),
        seal=int(stored.attributes["seal"]),
        reading=Reading.restored(stored.config, follow_links=False),
        learned=Learned.of(stored.arrays),
    )


class Prediction:
    """Rows of targets from rows of inputs, through scores."""

    def __init__(self, scoring, reconstruction, count):
        self.scoring, self.reconstruction, self.count = scoring, reconstruction, count

    def into(self, rows, largest, out):
        """out (r, q) ← what is predicted from rows (r, d), none larger than ``largest``."""
        scores = self.scoring.into(rows, largest, np.empty((len(rows), self.count)))
        return self.reconstruction.into(scores, largest, out)


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
