"""One file of a file set, as it was found."""

import zlib
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ..errors import DataError
from ..files.damage import reporting_damage
from .chosen import ChosenRows
from .contents import element_type
from .formats import open_rows
from .held import ARRAYS, status
from .joined import JoinedRows
from .lying import CannotMap, runs_of
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
    members: tuple = ()  # parts that are side by side in it
    chosen: np.ndarray | None = None  # numbers of the rows that are taken; None: all
    runs: np.ndarray | None = None  # in which rows lie in the file, as ``lying.runs_of`` gives them
    unmapped: str = ""  # why there are none

    def describe(self):
        """Return it as a dict, for results and checkpoints."""
        told = asdict(replace(self, members=(), chosen=None, runs=None))
        for name in ("attributes", "stored", "members", "chosen", "runs", "unmapped"):
            del told[name]
        if self.members:
            told["members"] = [each.describe() for each in self.members]
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
    def height(self):
        """Rows of the file, of which some may be chosen."""
        return self.extent[self.axis]

    def row(self, number):
        """The number in the file of the row that is number ``number`` of those taken."""
        return number if self.chosen is None else int(self.chosen[number])

    def change(self):
        """In words, how the file has changed since it was looked at; None if it has not."""
        try:
            now = status(self.path)
        except OSError:
            return f"{self.path} went away while it was read"
        if (now.st_size, now.st_mtime) != (self.size, self.mtime):
            return f"{self.path} was written to while it was read"
        return None

    def open(self, cache):
        """Return its open rows; raise DataError if it has another shape by now."""
        opened = self._open(cache)
        if opened.shape != (self.height, self.columns):
            opened.close()
            raise DataError(
                f"{self.name} changed while it was used: shape {opened.shape} instead of"
                f" {(self.height, self.columns)}"
            )
        return opened if self.chosen is None else ChosenRows(opened, self.chosen)

    def _open(self, cache):
        if not self.members:
            return open_rows(self.path, self.dataset, self.axis, cache, least=1)
        opened = []
        try:
            for each in self.members:
                opened.append(each.open(cache))
        except BaseException:
            for each in opened:
                each.close()
            raise
        return JoinedRows(opened, np.dtype(self.dtype))

    @property
    def name(self):
        """PATH:dataset, or PATH in formats without datasets."""
        return f"{self.path}:{self.dataset}" if self.dataset else self.path


def part_of(path, dataset, reading, is_whole=True, may_be_packed=False, *, least=2):
    """Look at a file and return its ``Part`` as a ``Reading`` has it; raise DataError."""
    axis = reading.samples_axis
    with reporting_damage(path), open_rows(path, dataset, axis, least=least) as opened:
        dtype = element_type(opened.dtype, opened.name)
        rows, columns = opened.shape
        opened.check(reading.follow_links, is_whole)
        attributes = opened.attributes
        if not may_be_packed:
            check_packing(attributes, opened.name)
        now, extent = status(path), tuple(opened.extent or opened.shape)
        runs, why = _runs(opened)
        return Part(
            path,
            opened.dataset,
            rows,
            columns,
            dtype.str.lstrip("<>=|"),
            chunk_rows=opened.chunk_rows,
            size=now.st_size,
            mtime=now.st_mtime,
            content=_fingerprint(opened, dtype),
            attributes=attributes,
            extent=extent,
            axis=reading.samples_axis % len(extent),
            stored=opened.stored,
            runs=runs,
            unmapped=why,
        )


def _runs(opened):
    """The runs in which rows lie, or None and why."""
    try:
        return opened.runs() if opened.path in ARRAYS else runs_of(opened), ""
    except CannotMap as error:
        return None, str(error)


def side_by_side(members):
    """Return the ``Part`` of several parts side by side; raise DataError if they do not fit."""
    first = members[0]
    for each in members[1:]:
        if each.rows != first.rows:
            raise DataError(
                f"{each.name} has {each.rows} rows, {first.name} has {first.rows}: they cannot be"
                " joined"
            )
        if str(each.attributes) != str(first.attributes):
            raise DataError(
                f"{each.name} has the attributes {each.attributes}, {first.name} has"
                f" {first.attributes}: what their values mean differs, and they cannot be joined"
            )
    columns = sum(each.columns for each in members)
    content = np.array([each.content for each in members])
    return replace(
        first,
        dataset=" + ".join(each.dataset or each.path for each in members),
        columns=columns,
        dtype=np.result_type(*(np.dtype(each.dtype) for each in members)).str.lstrip("<>=|"),
        chunk_rows=max(each.chunk_rows for each in members),
        content=zlib.crc32(content.tobytes()),
        extent=(first.rows, columns),
        axis=0,
        stored=None,
        members=tuple(members),
        runs=None,
        unmapped="is beside other datasets",
    )


def choose(parts, numbers):
    """Return the parts with the rows ``numbers`` alone, counted over all of them."""
    numbers, found, first = np.unique(numbers), [], 0
    for part in parts:
        mine = numbers[(numbers >= first) & (numbers < first + part.rows)] - first
        first += part.rows
        chosen = mine if part.chosen is None else part.chosen[mine]
        why = "has rows that are left out"
        found.append(replace(part, chosen=chosen, rows=len(mine), runs=None, unmapped=why))
    return found


def _fingerprint(opened, dtype):
    """CRC-32 of a few rows, spread over the file."""
    (rows, columns), content = opened.shape, 0
    if rows and columns:
        row = np.empty((1, columns), dtype)
        for number in sorted(set(np.linspace(0, rows - 1, SAMPLED_ROWS).astype(int).tolist())):
            opened.read(number, number + 1, row)
            content = zlib.crc32(row.tobytes(), content)
    return content
