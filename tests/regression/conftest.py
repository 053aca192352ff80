"""What tests of regressions share: files of all cases."""

import h5py
import numpy as np
import pytest
from cases import CASES, SHARDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("regress")
    for name, (x, y, _, _) in CASES.items():
        cuts = [round(part * len(x)) for part in SHARDS]
        for number, (first, last) in enumerate(zip(cuts, cuts[1:])):
            with h5py.File(made / f"{name}.x{number}.h5", "w") as file:
                chunks = min(29, last - first), min(3, x.shape[1])
                file.create_dataset("x", data=x[first:last], chunks=chunks)
        for number, rows in enumerate(np.array_split(y, 2)):
            with h5py.File(made / f"{name}.y{number}.h5", "w") as file:
                file["y"] = rows
    return made
