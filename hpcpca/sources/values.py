"""A dataset of any shape, read whole."""

import os
import zlib
from dataclasses import asdict, dataclass
from math import prod

import numpy as np

from ..errors import DataError
from ..files.damage import reporting_damage
from ..files.opening import open_file
from .contents import element_type
from .links import check_values


@dataclass(frozen=True)
class Values:
    """A dataset of real numbers, as it was found."""

    path: str
    dataset: str
    shape: tuple
    dtype: str
    size: int  # bytes of the file
    mtime: float
    content: int  # CRC-32

    @property
    def count(self):
        """Number of values."""
        return prod(self.shape)

    def describe(self):
        """The description for results and checkpoints."""
        told = asdict(self) | {"rows": self.shape[0] if self.shape else 1}
        return told | {"columns": prod(self.shape[1:]), "shape": list(self.shape)}

    def change(self):
        """What happened to the file since it was looked at, in words, or None."""
        try:
            status = os.stat(self.path)
        except OSError:
            return f"{self.path} went away while it was read"
        is_same = (status.st_size, status.st_mtime) == (self.size, self.mtime)
        return None if is_same else f"{self.path} was written to while it was read"

    def read(self):
        """Return the values in float64; raise DataError."""
        return _read(self.path, self.dataset)[0]


def values_of(path, dataset, follow_links):
    """Look at a dataset and return its ``Values``; raise DataError."""
    with reporting_damage(path), open_file(path) as file:
        check_values(file[dataset], path, f"{path}:{dataset}", follow_links, True)
    values, dtype = _read(path, dataset)
    status = os.stat(path)
    content = zlib.crc32(np.ascontiguousarray(values).tobytes())
    return Values(
        path,
        dataset,
        values.shape,
        dtype.str.lstrip("<>=|"),
        status.st_size,
        status.st_mtime,
        content,
    )


def _read(path, dataset):
    with reporting_damage(path), open_file(path) as file:
        item = file[dataset]
        dtype = element_type(item.dtype, f"{path}:{dataset}")
        values = np.asarray(item[()], np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{path}:{dataset} has NaN or infinite values; mend them, or leave it out")
    return values, dtype
