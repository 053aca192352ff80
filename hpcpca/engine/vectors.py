"""Eigenvectors from any file: a result, ``.npy``, or ``FILE.h5:dataset``; and findings stored in
a result.
"""

import os
import shutil

import numpy as np

from ..errors import DataError
from ..files.damage import reporting_damage
from ..files.formats import CHECKPOINT, RESULT
from ..files.hdf5 import OVERHEAD, writing
from ..files.opening import open_file
from ..files.outputs import whole
from ..files.paths import split_dataset
from ..files.result import Stored
from ..files.seal import reseal
from ..files.trailer import append_trailer
from ..sources.array import read_array


def load_vectors(text):
    """Return (vectors (K, d) float64, the Stored result or None); raise DataError.

    For one rank to call.
    """
    path, dataset = split_dataset(text)
    stored = Stored(path) if dataset is None and _is_own(path) else None
    vectors = stored.vectors() if stored else read_array(path, dataset)
    if vectors.ndim != 2 or vectors.dtype.kind not in "iuf" or not vectors.size:
        raise DataError(
            f"{text} holds {vectors.dtype} of shape {vectors.shape}; vectors are rows of a (K, d)"
            " array of real numbers"
        )
    if not np.isfinite(vectors).all():
        raise DataError(
            f"{text} holds NaN or Inf in vector {int(np.argwhere(~np.isfinite(vectors))[0][0])}"
        )
    return vectors.astype(np.float64), stored


def stored_whole(text):
    """Return the Stored result at a path if it has many sets of vectors, else None; raise
    DataError. For one rank to call.
    """
    path, dataset = split_dataset(text)
    if dataset is not None or not os.path.isfile(path) or not _is_own(path):
        return None
    with reporting_damage(path), open_file(path) as file:
        if file.attrs.get("vectors", None) != "":
            return None
    return Stored(path)


def _is_own(path):
    """Whether a file is a result or a checkpoint."""
    if path.endswith(".npy"):
        return False
    with reporting_damage(path), open_file(path) as file:
        return file.attrs.get("format") in (RESULT, CHECKPOINT)


def save_finding(path, finding, tol):
    """Store what was measured in the result at ``path`` under /verification, whole or not at
    all; raise DataError.
    """
    arrays = finding.arrays()
    added = sum(np.asarray(array).nbytes for array in arrays.values()) + OVERHEAD
    with whole(path, "make room", os.path.getsize(path) + added) as part:
        shutil.copyfile(path, part)
        with writing(part, "r+") as file:
            file.pop("verification", None)
            for name, array in arrays.items():
                file[f"verification/{name}"] = array
            file["verification"].attrs["tol"] = tol
            file["verification"].attrs["failures"] = "\n".join(finding.failures)
            reseal(file)
        append_trailer(part)
