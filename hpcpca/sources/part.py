"""One file of a file set, as it was found."""

import os
import zlib
from dataclasses import asdict, dataclass, field

import numpy as np

from ..files.damage import reporting_damage
from .contents import element_type
from .formats import open_rows
from .missing import check_packing

SAMPLED_ROWS = 4  # of each file, for the fingerprint


@dataclass(frozen=True)
class Part:
    """One dataset of the file set."""

    path: str
    dataset: str
    rows: int
    columns: int
    dtype: str
    chunk_rows: int
    size: int
    mtime: float
    content: int  # CRC-32 of a few rows
    attributes: dict = field(default_factory=dict)  # that say what its values mean; not stored
    extent: tuple = ()  # lengths of all axes
    axis: int = 0  # that of the samples
    stored: int | None = None  # values of a sparse matrix; not stored itself

    def describe(self):
        """Return it as a dict, for results and checkpoints."""
        told = asdict(self)
        del told["attributes"], told["stored"]
        if len(self.extent) <= 2 and not self.axis:
            del told["extent"], told["axis"]
        else:
            told["extent"] = list(self.extent)
        return told

    @property
    def feature_shape(self):
        """Lengths of the axes that became columns."""
        return self.extent[: self.axis] + self.extent[self.axis + 1 :]

    @property
    def name(self):
        """PATH:dataset, or PATH in formats without datasets."""
        return f"{self.path}:{self.dataset}" if self.dataset else self.path


def part_of(path, dataset, reading, is_whole=True, may_be_packed=False):
    """Look at a file and return its ``Part`` as a ``Reading`` has it; raise DataError."""
    with reporting_damage(path), open_rows(path, dataset, reading.samples_axis) as opened:
        dtype = element_type(opened.dtype, opened.name)
        rows, columns = opened.shape
        opened.check(reading.follow_links, is_whole)
        attributes = opened.attributes
        if not may_be_packed:
            check_packing(attributes, opened.name)
        status, extent = os.stat(path), tuple(opened.extent or opened.shape)
        return Part(
            path,
            opened.dataset,
            rows,
            columns,
            dtype.str.lstrip("<>=|"),
            chunk_rows=opened.chunk_rows,
            size=status.st_size,
            mtime=status.st_mtime,
            content=_fingerprint(opened, dtype),
            attributes=attributes,
            extent=extent,
            axis=reading.samples_axis % len(extent),
            stored=opened.stored,
        )


def _fingerprint(opened, dtype):
    """CRC-32 of a few rows, spread over the file."""
    (rows, columns), content = opened.shape, 0
    if rows and columns:
        row = np.empty((1, columns), dtype)
        for number in sorted(set(np.linspace(0, rows - 1, SAMPLED_ROWS).astype(int).tolist())):
            opened.read(number, number + 1, row)
            content = zlib.crc32(row.tobytes(), content)
    return content
