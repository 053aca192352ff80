"""Files as they were, from the factors of a result. For one rank to call."""

import numpy as np

from ..errors import DataError
from ..files.formats import MADE_BY
from ..files.hdf5 import writing
from ..files.outputs import NEVER, check_output, whole
from ..files.result import Stored
from .result import decoded

ROWS_BYTES = 32 << 20  # written at a time


def expand(path, out, overwrite=NEVER):
    """Write the means that the result at ``path`` has, PQᵀ where they are factors, to ``out`` under
    the names of the datasets; return how many. Raise DataError.
    """
    check_output(out, "-o", overwrite, {path: "the result"})
    stored = Stored(path)
    if stored.problem != "compress":
        raise DataError(
            f"{path} is a result of 'hpcpca {stored.problem}'; name one of 'hpcpca compress'"
        )
    found = stored.arrays
    names = decoded(found["compression/names"])
    averaged = decoded(found["compression/averaged"])
    count = 8 * sum(int(n) * int(m) for n, m in found["compression/shapes"])
    with whole(out, count=count) as part, writing(part) as file:
        file.attrs.update(
            {MADE_BY: "hpcpca expand", "made_from": path, "files": stored.attributes["files"]}
        )
        for name in names:
            _write(file, name, found[f"{name}/P"], found[f"{name}/Q"])
        for name in averaged:
            file[name] = found[f"{name}/mean"]
    return len(names) + len(averaged)


def _write(file, name, p, q):
    item = file.create_dataset(name, (len(p), len(q)), p.dtype)
    step = max(1, ROWS_BYTES // max(1, len(q) * p.itemsize))
    for start in range(0, len(p), step):
        item[start : start + step] = np.matmul(p[start : start + step], q.T)
