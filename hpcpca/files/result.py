"""The result file: components with their measured errors, readable by plain h5py (README: file
format).
"""

import json
import os
from dataclasses import dataclass

import h5py
import numpy as np

from .._version import __version__
from ..errors import DataError
from ..linalg.orth import with_positive_peak
from .formats import CHECKPOINT, MADE_BY, RESULT, TEST_DATA
from .hdf5 import Rows
from .opening import open_file
from .seal import check, names_of, ours
from .trailer import has_trailer

MEMORY = "state/memory/"  # what a top1 solver keeps from round to round
EPSILON = np.finfo(float).eps
SHARE_ROUNDING = 1e-5  # by which shares of variance may exceed 1 in single precision
VERSIONS = {RESULT: 1, CHECKPOINT: 2}  # checkpoints of version 1 have no unfinished pass


@dataclass(frozen=True)
class Content:
    """What ``fit`` knows at the end of a round, as it goes into a file; eigenvalues in the
    data's own units.
    """

    state: object  # methods.State
    offsets: np.ndarray  # (ranks + 1) who owns which of the m columns
    first: int  # this rank's first column
    components: int  # K
    eigenvalues: np.ndarray  # (m)
    rounding: float  # error of the operator relative to λ_0, which residuals do not show
    judgement: object  # linalg.Judgement
    n: int | None
    mean: np.ndarray | None
    total_variance: float
    history: dict
    attributes: dict  # config, source, outcome, counts …


def result_arrays(content):
    """{name: array or Rows} of a result. Residuals are relative to the largest eigenvalue."""
    count, values, residuals = content.components, content.eigenvalues, content.state.residuals
    found = content.judgement.separation
    variance = np.maximum(values[:count], 0.0)
    own = content.state.vectors[: max(0, min(len(content.state.vectors), count - content.first))]
    arrays = {
        "components": Rows(
            own * with_positive_peak(own)[:, None], np.minimum(content.offsets, count)
        ),
        "explained_variance": variance,
        "explained_variance_ratio": shares(variance, content.total_variance),
        "residuals": residuals[:count],
        "standing": content.judgement.standing.astype("S"),
        "angle_bounds": found.bounds,
        "clusters": found.clusters,
        "cluster_angle_bounds": found.cluster_bounds,
        "guard_eigenvalues": values[count:],
        "guard_residuals": residuals[count:],
        **content.history,
    }
    if content.n is not None:
        arrays |= {
            "singular_values": np.sqrt(variance) * np.sqrt(content.n - 1),
            "mean": content.mean,
        }
    return arrays


def shares(variance, total):
    """Shares of the ``total`` variance, whose sum is at most 1.

    What exceeds it by rounding is scaled to 1; if it is more, variances are of data that changed,
    of vectors that overlap, or estimates, and there are no such shares: all are NaN.
    """
    found = variance / total
    explained = found.sum()
    if explained > 1 + SHARE_ROUNDING:
        return np.full(len(found), np.nan)
    return found * ((1 - len(found) * EPSILON) / explained) if explained > 1 else found


def root_attributes(content, kind):
    """Root attributes of a result or checkpoint."""
    attributes = {
        "format": kind,
        "format_version": VERSIONS[kind],
        "hpcpca_version": __version__,
        "total_variance": content.total_variance,
        "rounding": content.rounding,
        **content.attributes,
    }
    if content.n is not None:
        attributes["n_samples"] = content.n
    return attributes


def format_of(path):
    """What an HDF5 file says it is, test data included; "" if it does not; raise DataError."""
    with ours(path), open_file(path) as file:
        made = TEST_DATA if file.attrs.get(MADE_BY) == TEST_DATA else ""
        return str(file.attrs.get("format", made))


def is_foreign(path):
    """Whether a file is none that hpcpca has written: somebody's data, notes, whatever.

    Damaged HDF5 may be ours; an empty file is nothing.
    """
    if has_trailer(path):
        return False
    if not h5py.is_hdf5(path):
        return os.path.getsize(path) > 0
    try:
        return not format_of(path).startswith("hpcpca")
    except DataError:
        return False  # damaged: nothing to lose


def ours_among(paths):
    """Those of ``paths`` that are there and that hpcpca has written. For one rank to call."""
    return [path for path in paths if os.path.isfile(path) and not is_foreign(path)]


class Stored:
    """A result or checkpoint on disk: attributes, configuration and small arrays; vectors are
    read when asked for.
    """

    def __init__(self, path):
        """Check and read the file; raise DataError. For one rank to call."""
        self.path = path
        with ours(path), open_file(path) as file:
            kind = file.attrs.get("format")
            if kind not in (RESULT, CHECKPOINT):
                raise DataError(
                    f"{path} is not a result or checkpoint of hpcpca; name a file that 'hpcpca fit'"
                    " has written"
                )
            if int(file.attrs.get("format_version", 0)) > VERSIONS[kind]:
                raise DataError(
                    f"{path} has format version {file.attrs['format_version']}, this hpcpca reads"
                    f" up to {VERSIONS[kind]}; upgrade"
                )
            check(file, path)
            self.attributes = {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in file.attrs.items()
            }
            self.arrays = {name: file[name][...] for name in names_of(file) if not _is_panel(name)}
            self.count, self.d = file["components"].shape
            self.shapes = {name: file[name].shape for name in names_of(file) if _is_panel(name)}
            self.panel = self.shapes.get("state/vectors", (self.count,))[0]
            self.shares = shares(
                self.arrays["explained_variance"], self.attributes["total_variance"]
            )
            self.config, self.source = (
                json.loads(self.attributes["config"]),
                json.loads(self.attributes["source"]),
            )
        self.is_checkpoint = kind == CHECKPOINT

    def rows(self, name, start, stop):
        """Rows start..stop−1 of ``components`` or a panel of the state: (stop − start, d)
        float64.
        """
        with ours(self.path), h5py.File(self.path, "r", locking=False) as file:
            return file[name][start:stop]


def _is_panel(name):
    return name.startswith(MEMORY) or name in (
        "components",
        "state/vectors",
        "state/images",
        "state/pending",
        "state/pending_sums",
        "state/gram",
    )


def load(path):
    """Return the ``Stored`` file at ``path``, or the generation before it where that is damaged,
    and a warning or None; raise DataError.
    """
    try:
        return Stored(path), None
    except DataError as error:
        previous = path + ".1"
        if not os.path.exists(previous):
            raise
        return (
            _previous(previous, error),
            f"{_cause(error)}; going on from the previous checkpoint {previous}",
        )


def _previous(path, error):
    """The ``Stored`` generation before one that raised ``error``; raise DataError about both
    where it is no better.
    """
    try:
        return Stored(path)
    except DataError:
        raise DataError(
            f"{_cause(error)}; the checkpoint before it, {path}, is no better: start anew with"
            " 'hpcpca fit … --overwrite'"
        ) from None


def _cause(error):
    """An error's text without its remedy, which stands last."""
    return str(error).rpartition("; ")[0] or str(error)
