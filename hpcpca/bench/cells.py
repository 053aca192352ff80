"""Counts as those of single cells, as a sparse matrix in AnnData's format: an input of ``bench
peers``.
"""

from pathlib import Path

import numpy as np
from h5py import string_dtype

from ..files.hdf5 import writing
from ..files.outputs import whole
from ..rng import stream

CELLS = 0x0CE1  # key of the random numbers
KINDS = 64  # of cells, the rarer ones less often by the square root of their number
SPREAD, OWN = 1.6, 0.7  # deviations of log abundance: of genes, and of a kind's from these
DEPTH = 0.35  # deviation of the logarithm of how many molecules a cell has
AT_ONCE = 1000  # cells


def rows(cells, genes, molecules, seed=0):
    """Yield (values, indices, counts of values a row) of log(1 + x) of some cells at a time.

    Cells draw about so many ``molecules`` from the genes of their kind.
    """
    random = stream(seed, CELLS)
    common = SPREAD * random.standard_normal(genes)
    kinds = common + OWN * random.standard_normal((KINDS, genes))
    sums = np.cumsum(np.exp(kinds), axis=1)
    sums /= sums[:, -1:]
    often = 1 / np.sqrt(np.arange(1, KINDS + 1))
    for start in range(0, cells, AT_ONCE):
        count = min(AT_ONCE, cells - start)
        kind = random.choice(KINDS, count, p=often / often.sum())
        depth = np.exp(DEPTH * random.standard_normal(count)) * molecules
        found = []
        for cell in range(count):
            drawn = np.searchsorted(sums[kind[cell]], random.random(int(depth[cell]) + 1))
            found.append(np.unique(drawn, return_counts=True))
        values = np.log1p(np.concatenate([each for _, each in found])).astype(np.float32)
        yield values, np.concatenate([each for each, _ in found]), [len(each) for each, _ in found]


def write(path, cells, genes, molecules, seed=0):
    """Write such a matrix to a ``.h5ad`` file as group ``X``, unless it is there."""
    if Path(path).exists():
        return
    with whole(path) as part, writing(part) as file:
        group = file.create_group("X")
        group.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (cells, genes)}
        )
        data, indices = (
            group.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1 << 18,))
            for name, kind in (("data", "f4"), ("indices", "i4"))
        )
        ends = [0]
        for values, numbers, counts in rows(cells, genes, molecules, seed):
            for target, added in ((data, values), (indices, numbers)):
                target.resize((ends[-1] + len(added),))
                target[ends[-1] :] = added
            ends += (ends[-1] + np.cumsum(counts)).tolist()
        group["indptr"] = np.array(ends, np.int32)  # as the indices: scipy wants one type
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, count in (("obs", cells), ("var", genes)):
            _add_names(file.create_group(name), name, count)


def _add_names(group, name, count):
    """Names of cells or genes, as anndata has them: a data frame without columns."""
    group.attrs.update(
        {"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"}
    )
    group.attrs["column-order"] = np.zeros(0)
    names = group.create_dataset(
        "_index", data=[f"{name}{number}" for number in range(count)], dtype=string_dtype()
    )
    names.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
