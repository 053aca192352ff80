"""States of workers on disk: arrays that each worker has for itself, and those all have alike."""

import os
from urllib.parse import quote, unquote

import h5py
import numpy as np

from .._version import __version__
from ..errors import DataError
from .formats import VERSIONS, WORKER_STATE
from .hdf5 import Rows, write
from .opening import open_file
from .result import format_of
from .seal import check, reading_own

OWN, SHAPES, SHARED = "own", "shapes", "shared"
_PLAIN = (
    " .,:;-_+=()[]{}<>@#!$&*?"  # in names, besides letters and digits; not /, which HDF5 parts at
)


def write_state(world, path, own, shared):
    """Write {name: this worker's array} and {name: the root's array}, whole or not at all.

    Collective; raises DataError on all ranks.
    """
    world.decide(lambda: _check_replaced(path))
    workers = np.arange(world.size + 1)
    arrays = {f"{SHARED}/{_coded(name)}": array for name, array in shared.items()}
    for name, array in own.items():
        arrays[f"{OWN}/{_coded(name)}"] = Rows(array.reshape(1, -1), workers)
        arrays[f"{SHAPES}/{_coded(name)}"] = np.array(array.shape, dtype=np.int64)
    attributes = {
        "format": WORKER_STATE,
        "format_version": VERSIONS[WORKER_STATE],
        "hpcpca_version": __version__,
        "workers": world.size,
    }
    write(world, path, attributes, arrays, keep_previous=True)


def read_state(world, path):
    """Return {name: this worker's array} and {name: shared array} of a file.

    On another number of workers than have written it, each gets the mean of theirs. Collective;
    raises DataError on all ranks.
    """
    world.decide(lambda: _check(path))
    with world.agreed(), reading_own(path), h5py.File(path, "r", locking=False) as file:
        shared = {unquote(name): item[...] for name, item in file.get(SHARED, {}).items()}
        shapes = {unquote(name): item[...] for name, item in file.get(SHAPES, {}).items()}
        own = {
            name: _of_worker(file[f"{OWN}/{_coded(name)}"], world.rank, world.size).reshape(shape)
            for name, shape in shapes.items()
        }
    return own, shared


def _of_worker(rows, rank, size):
    if len(rows) == size:
        return rows[rank]
    total = np.zeros(rows.shape[1])
    for worker in range(len(rows)):
        total += rows[worker]
    return (total / len(rows)).astype(rows.dtype)


def _check_replaced(path):
    """Raise DataError if another file is at ``path``, which would be lost."""
    if os.path.exists(path) and os.path.getsize(path):
        with reading_own(path), open_file(path) as file:
            if file.attrs.get("format") != WORKER_STATE:
                raise DataError(f"{path} exists and is no state of workers; name another file")


def _check(path):
    with reading_own(path), open_file(path) as file:
        if format_of(path) != WORKER_STATE:
            raise DataError(f"{path} is not a state of workers that hpcpca has written")
        if int(file.attrs["format_version"]) > VERSIONS[WORKER_STATE]:
            raise DataError(
                f"{path} has format version {file.attrs['format_version']}, this hpcpca reads up"
                f" to {VERSIONS[WORKER_STATE]}; upgrade"
            )
        check(file, path)


def _coded(name):
    return quote(name, safe=_PLAIN)
