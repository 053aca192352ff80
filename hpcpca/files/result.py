"""Results and checkpoints on disk: vectors with their measured errors, readable by plain h5py
(docs/files.md).
"""

import json
import os

import h5py
import numpy as np

from ..errors import DataError
from .formats import CHECKPOINT, MADE_BY, RESULT, VERSIONS
from .opening import open_file, unlocked
from .seal import check, names_of, reading_own
from .trailer import has_trailer

# arrays as long as vectors, which are read when asked for
PANELS = (
    *("state/vectors", "state/images", "state/pending", "state/pending_sums", "state/gram"),
    *("state/pending_inputs", "inputs", "targets"),
)
MEMORY = "state/memory/"  # what a top1 solver keeps from round to round
# of files that do not say it themselves: those of the first versions
FIRST = {"problem": "fit", "vectors": "components", "eigenvalues": "explained_variance"}


def format_of(path):
    """What an HDF5 file says it is, test data included; "" if it does not; raise DataError."""
    with reading_own(path), open_file(path) as file:
        made = str(file.attrs.get(MADE_BY, ""))
        made = made if made.startswith("hpcpca ") else ""
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
        with reading_own(path), open_file(path) as file:
            kind = file.attrs.get("format")
            if kind not in (RESULT, CHECKPOINT):
                raise DataError(
                    f"{path} is not a result or checkpoint of hpcpca; name a file that a run of"
                    " 'hpcpca fit' or another command has written"
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
            named = FIRST | {name: self.attributes[name] for name in FIRST if name in file.attrs}
            self.problem, self._vectors = named["problem"], named["vectors"]
            panels = {name for name in names_of(file) if self._is_panel(name)}
            self.arrays = {name: file[name][...] for name in names_of(file) if name not in panels}
            self.eigenvalues = self.arrays[named["eigenvalues"]]
            self.count, self.d = len(self.eigenvalues), 0
            if self._vectors:
                self.count, self.d = file[self._vectors].shape
            self.shapes = {name: file[name].shape for name in panels}
            self.panel = self.shapes.get("state/vectors", (self.count,))[0]
            self.config, self.source = (
                json.loads(self.attributes["config"]),
                json.loads(self.attributes["source"]),
            )
        self.is_checkpoint = kind == CHECKPOINT

    @property
    def residuals(self):
        """Of all pairs: their dataset is named by a root attribute if it is another."""
        return self.arrays[self.attributes.get("residuals", "residuals")]

    def vectors(self, start=0, stop=None):
        """Vectors start..stop−1 of the K: (stop − start, d) float64; raise DataError if there are
        several sets of them.
        """
        self.require_vectors()
        return self.rows(self._vectors, start, self.count if stop is None else stop)

    @property
    def vectors_name(self):
        """Name of the dataset with the vectors; "" if there are several."""
        return self._vectors

    def require_vectors(self):
        """Raise DataError unless the problem is one of a single set of vectors."""
        if not self._vectors:
            raise DataError(
                f"{self.path} is a result of 'hpcpca {self.problem}', which has not one set of"
                " vectors but many: 'hpcpca info' lists them, and any HDF5 library reads them"
            )

    def rows(self, name, start, stop):
        """Rows start..stop−1 of a panel of the state: (stop − start, d) float64."""
        with reading_own(self.path), unlocked(self.path) as file:
            return file[name][start:stop]

    def _is_panel(self, name):
        return name.startswith(MEMORY) or name in (self._vectors, *PANELS)


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
            f"{_cause(error)}; the checkpoint before it, {path}, is no better: start again with"
            " 'hpcpca fit … --overwrite'"
        ) from None


def _cause(error):
    """An error's text without its remedy, which stands last."""
    return str(error).rpartition("; ")[0] or str(error)
