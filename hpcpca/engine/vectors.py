"""Eigenvectors from any file: a result, ``.npy``, or ``FILE.h5:dataset``; and findings stored in
a result.
"""

import os
import shutil
from tokenize import TokenError

import numpy as np

from ..errors import DataError, describe
from ..files.damage import naming
from ..files.formats import CHECKPOINT, RESULT
from ..files.hdf5 import OVERHEAD, writing
from ..files.opening import open_file
from ..files.outputs import whole
from ..files.paths import split_dataset
from ..files.result import Stored
from ..files.seal import reseal
from ..files.trailer import append_trailer
from ..sources.part import find_dataset


def load_vectors(text):
    """Return (vectors (K, d) float64, the Stored result or None); raise DataError.

    For one rank to call.
    """
    path, dataset = split_dataset(text)
    if path.endswith(".npy"):
        vectors, stored = _npy(path), None
    else:
        with naming(path), open_file(path) as file:
            ours = dataset is None and file.attrs.get("format") in (RESULT, CHECKPOINT)
            vectors = None if ours else find_dataset(file, path, dataset)[...]
        stored = Stored(path) if ours else None
        vectors = stored.vectors() if ours else vectors
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


def _npy(path):
    if os.path.exists(path) and not os.path.isfile(path):
        raise DataError(f"{path} is not a regular file")
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name and the current folder") from None
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        TokenError,
    ) as error:  # numpy parses the header as Python
        raise DataError(f"{path} is not a .npy file that can be read: {describe(error)}") from None


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
