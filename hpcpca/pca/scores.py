"""Score files, and the components that they are made with (docs/files.md)."""

import json
import os
from dataclasses import dataclass, replace

import numpy as np

from .._version import __version__
from ..errors import DataError, UsageError
from ..files.formats import RECONSTRUCTION, SCORES
from ..files.opening import open_file
from ..files.result import Stored
from ..files.seal import reading_own
from ..sources.learned import Learned
from ..sources.reading import Reading
from ..sources.source import open_source

FORMAT_VERSION = 1
DATASETS = {SCORES: "scores", RECONSTRUCTION: "data"}


@dataclass(frozen=True)
class Basis:
    """The components of a result, to project on: all but the vectors themselves."""

    path: str
    count: int  # K' ≤ K of them are used
    d: int
    mean: np.ndarray  # (d) float64; zero where rows are not centred
    lengths: np.ndarray  # (K') float64: standard deviations where scores are whitened, else 1
    is_centred: bool
    is_whitened: bool
    reading: Reading  # of the data that were fitted
    learned: Learned  # of their columns
    seal: int = 0  # of the result, if it is a file
    checksum: int = 0  # of its components
    axes: tuple = ()  # lengths of the axes that became columns, if all of several did

    def attributes(self):
        """What files made with this basis say about it."""
        path = os.fsencode(self.path).decode(errors="backslashreplace")  # HDF5 has UTF-8 only
        return {
            "result": path,
            "result_seal": self.seal,
            "components_checksum": self.checksum,
            "centred": self.is_centred,
            "whitened": self.is_whitened,
        }

    def rows(self, start, stop):
        """Components start..stop−1: (stop − start, d) float64."""
        with open_file(self.path) as file:
            return file["components"][start:stop]


def load_basis(path, count=None, centre=True, whiten=False):
    """Check a result and return its ``Basis`` of ``count`` components (default all); raise
    DataError, UsageError. For one rank to call.
    """
    stored = Stored(path)
    basis = basis_of(stored, count, centre, whiten)
    with open_file(path) as file:
        checksum = int(file["components"].attrs["checksum"])
    return replace(basis, seal=int(stored.attributes["seal"]), checksum=checksum)


def basis_of(stored, count=None, centre=True, whiten=False):
    """Return the ``Basis`` of ``count`` components (default all) of a Stored result, or what has
    its attributes; raise DataError, UsageError.
    """
    path = stored.path
    if stored.problem != "fit":
        raise DataError(
            f"{path} is a result of 'hpcpca {stored.problem}'; scores are of results of 'hpcpca"
            " fit'"
        )
    count = stored.count if count is None else count
    if not 1 <= count <= stored.count:
        raise UsageError(f"-k {count}: {path} has {stored.count}; ask for 1 to {stored.count}")
    if centre and "mean" not in stored.arrays:
        raise DataError(
            f"{path} comes from a covariance matrix and has no mean to subtract; centre the data"
            " yourself and give --no-centre"
        )
    variance, lengths = stored.arrays["explained_variance"][:count], np.ones(count)
    if whiten:
        flat = np.flatnonzero(variance <= stored.attributes.get("rounding", 2.0**-23) * variance[0])
        if len(flat):
            raise DataError(
                f"component {flat[0]} of {path} has variance {variance[flat[0]]:.2g} and cannot be"
                " scaled to 1; leave --whiten out" + (f" or give -k {flat[0]}" if flat[0] else "")
            )
        lengths = np.sqrt(variance)
    mean = stored.arrays["mean"] if centre else np.zeros(stored.d)
    learned = Learned.of(stored.arrays)
    axes = stored.attributes.get("feature_shape", ()) if learned.columns is None else ()
    return Basis(
        path,
        count,
        stored.d,
        mean,
        lengths,
        is_centred=centre,
        is_whitened=whiten,
        reading=Reading.restored(stored.config, follow_links=False),
        learned=learned,
        axes=tuple(int(length) for length in axes),
    )


def load_scores(path, result):
    """Return the source of a scores file and the ``Basis`` in ``result`` that it was made with;
    raise DataError. For one rank to call.
    """
    with reading_own(path), open_file(path) as file:
        at = dict(file.attrs)
    if at.get("format") != SCORES:
        raise DataError(f"{path} is not a scores file of hpcpca; make one with 'hpcpca transform'")
    if int(at["format_version"]) > FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {at['format_version']}, this hpcpca reads up to"
            f" {FORMAT_VERSION}; upgrade"
        )
    source = open_source([f"{path}:{DATASETS[SCORES]}"])
    whole = load_basis(result, None, bool(at["centred"]), False)
    if whole.checksum != int(at["components_checksum"]) or source.d > whole.count:
        raise DataError(
            f"the scores in {path} are of other components than {result} has; name {at['result']},"
            " which they were made with"
        )
    return source, load_basis(result, source.d, bool(at["centred"]), bool(at["whitened"]))


def header(kind, basis, source, **more):
    """Root attributes of a file of scores or of reconstructed rows."""
    return {
        "format": kind,
        "format_version": FORMAT_VERSION,
        "hpcpca_version": __version__,
        **basis.attributes(),
        "source": json.dumps(source.describe()),
        "n_samples": source.n,
        "n_features": basis.d,
        **more,
    }
