"""Error feedback between calls: what factors left of a mean is kept in a file, and added to the
mean of the next call.
"""

import json
import os

import numpy as np

from .._version import __version__
from ..errors import DataError
from ..files.formats import OWED, VERSIONS
from ..files.hdf5 import Rows, write
from ..files.opening import open_file
from ..files.outputs import check_place, check_replaced
from ..files.seal import check, reading_own


def check_file(path, data):
    """Raise DataError unless ``path`` can be written, and is not there, or holds what is owed of
    the same matrices, and not yet of the same ``data``. For one rank to call.
    """
    check_place(path, "--error-feedback")
    if not os.path.exists(path):
        return
    check_replaced(path, "--error-feedback", True)
    with reading_own(path), open_file(path) as file:
        if file.attrs.get("format") != OWED:
            raise DataError(
                f"--error-feedback {path} is no file of what is owed; name one that 'hpcpca"
                " compress --error-feedback' has written, or a new one"
            )
        check(file, path)
        if json.loads(file.attrs["source"]) == data.describe():
            raise DataError(
                f"--error-feedback {path} has what is owed of these very files already: they were"
                " compressed before"
            )
        for matrix in data.matrices:
            held = file.get(f"owed/{matrix.name}")
            if held is None or held.shape != matrix.shape:
                raise DataError(
                    f"--error-feedback {path} is of other matrices: it has"
                    f" {'none' if held is None else ' × '.join(map(str, held.shape))} of"
                    f" {matrix.name}, which is {' × '.join(map(str, matrix.shape))}"
                )


def add_owed(world, path, shards):
    """Add to the rows that are held what the file says is owed, if it is there. Collective."""
    if not world.decide(lambda: os.path.exists(path)):
        return
    with world.agreed(), reading_own(path), open_file(path) as file:
        for shard in shards:
            item = file[f"owed/{shard.matrix.name}"]
            for rows, block in shard.blocks():
                owed = item[shard.first + rows.start : shard.first + rows.stop]
                block += np.ldexp(owed, -shard.exponent)


def write_owed(world, path, shards, found, data):
    """Write what factors leave of the rows that are held; the file before it stays as PATH.1.

    The rows are overwritten. Collective; raises DataError on all ranks.
    """
    arrays = {}
    for shard, one in zip(shards, found):
        for rows, block in shard.blocks():
            block -= (one.p[:, rows].T @ one.q).astype(shard.work)
            np.ldexp(block, shard.exponent, out=block)
        arrays[f"owed/{shard.matrix.name}"] = Rows(shard.held, shard.edges)
    attributes = {
        "format": OWED,
        "format_version": VERSIONS[OWED],
        "hpcpca_version": __version__,
        "source": json.dumps(data.describe()),
    }
    write(world, path, attributes, arrays, keep_previous=True)
