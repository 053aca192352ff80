"""The pairs of a result, to predict with."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError, UsageError
from ..files.opening import open_file
from ..files.result import Stored
from ..sources.learned import Learned
from ..sources.reading import Reading


@dataclass(frozen=True)
class Model:
    """The first ``count`` pairs of a result: all but the pairs themselves."""

    path: str
    count: int
    inputs: int  # d
    targets: int  # q
    input_mean: np.ndarray  # (d); zero if rows were not centred
    target_mean: np.ndarray  # (q)
    reading: Reading  # of the inputs that were fitted
    learned: Learned  # of these inputs
    seal: int = 0  # of the result, if it is a file

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
    return replace(model_of(stored, count), seal=int(stored.attributes["seal"]))


def model_of(stored, count=None):
    """Return the ``Model`` of ``count`` pairs (default all) of a Stored result, or what has its
    attributes; raise DataError, UsageError.
    """
    path = stored.path
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
