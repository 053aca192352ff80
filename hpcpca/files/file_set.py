"""Writing file sets: every rank whole files, all of them there at the end or none."""

import os
from contextlib import suppress
from dataclasses import dataclass, field

import h5py
import numpy as np

from ..errors import DataError, describe
from ..partition import span
from .hdf5 import ELSEWHERE, require_room, sync, writing
from .outputs import NEVER, check_place, check_replaced
from .paths import SUFFIXES, temporary

PIECE_BYTES = 32 << 20  # written at a time
CHUNK_BYTES = 1 << 20  # default chunk: the default chunk cache of HDF5 before 2.0
SHARD_BYTES = 512 << 20  # default shard
MOST_SHARDS = 1024
NAMES = "column_names"  # the dataset that has them
_FILTERS = {
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "lzf": {"compression": "lzf", "shuffle": True},
    "none": {},
}


@dataclass(frozen=True)
class Layout:
    """How the rows of a file set are laid out: shard s holds rows edges[s]..edges[s+1]−1 of
    ``dataset`` in paths[s].
    """

    out: str  # what was asked for: the one path, or the folder
    paths: tuple
    edges: tuple
    columns: int
    dtype: np.dtype
    dataset: str = "X"
    chunk_rows: int | None = None  # None: chunks of about CHUNK_BYTES; 0: contiguous
    compression: str = "none"
    attributes: dict = field(default_factory=dict)  # of the dataset, in each file
    feature_shape: tuple = ()  # lengths of the axes besides the rows, if they are several
    names: list | None = None  # of the columns, in each file

    @property
    def row_shape(self):
        """Lengths of the axes of a row."""
        return tuple(self.feature_shape) or (self.columns,)

    @property
    def row_bytes(self):
        """Bytes of a row."""
        return max(1, self.columns * self.dtype.itemsize)

    @property
    def bytes(self):
        """Of all rows as they are stored; 0 if they are compressed, and nobody knows."""
        return self.row_bytes * self.edges[-1] if self.compression == "none" else 0

    def storage(self, rows):
        """Arguments of ``create_dataset`` for a shard of ``rows`` rows."""
        chunk = (
            max(1, CHUNK_BYTES // self.row_bytes) if self.chunk_rows is None else self.chunk_rows
        )
        chunks = (min(chunk, rows), *self.row_shape) if chunk and rows else None
        return {
            "shape": (rows, *self.row_shape),
            "dtype": self.dtype,
            "chunks": chunks,
            **(_FILTERS[self.compression] if chunks else {}),
        }


def layout(out, n, columns, dtype, shards=None, *, uneven=False, **storage):
    """Lay n rows out at ``out``: one file where it has an HDF5 suffix, else a folder of shards
    (by default of about half a GiB).

    ``uneven`` gives shard s a share proportional to s + 1.
    """
    if out.lower().endswith(SUFFIXES):
        return Layout(out, (out,), (0, n), columns, np.dtype(dtype), **storage)
    count = shards or min(MOST_SHARDS, -(-n * columns * np.dtype(dtype).itemsize // SHARD_BYTES))
    parts = count * (count + 1) // 2
    edges = [
        span(n, parts, s * (s + 1) // 2)[0] if uneven else span(n, count, s)[0]
        for s in range(count)
    ]
    width = len(str(count - 1))
    return Layout(
        out,
        tuple(os.path.join(out, f"s{s:0{width}}.h5") for s in range(count)),
        (*edges, n),
        columns,
        np.dtype(dtype),
        **storage,
    )


def beside(out, kind):
    """Path of a companion of ``out``, outside of a folder of shards: x.h5 or x/ → x.KIND.h5."""
    stem, suffix = os.path.splitext(out.rstrip(os.sep))
    return f"{stem if suffix.lower() in SUFFIXES else stem + suffix}.{kind}.h5"


def prepare(laid_out, overwrite=NEVER):
    """See that the files can be written and, with ``overwrite``, replaced; raise DataError.

    For one rank to call, before ``write_set``.
    """
    out, is_one = laid_out.out.rstrip(os.sep), laid_out.out in laid_out.paths
    is_there = not is_one and os.path.isdir(out)
    if not is_there:
        check_place(out)
        if not is_one and os.path.exists(out):
            raise DataError(
                f"{out} is a file; name another folder with -o, "
                f"or a file that ends in {SUFFIXES[0]}"
            )
    for path in filter(os.path.exists, laid_out.paths):
        check_place(path)
        check_replaced(path, "-o", overwrite)
    if is_there:
        _refuse_others(out, {os.path.basename(path) for path in laid_out.paths})
    require_room(laid_out.paths[0] if is_there else out, laid_out.bytes)


def _refuse_others(folder, names):
    others = [
        name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES) and name not in names
    ]
    if others:
        raise DataError(
            f"folder {folder} holds {min(others)}, which would become part of the data; remove it,"
            " or name another folder"
        )


def write_set(world, laid_out, rows, attributes=None):
    """Write a file set; ``rows.read(start, stop)`` yields its rows in order as arrays.

    Rank r writes shards r, r + size, …

    Files get their names when all are written and on disk. Collective; raises DataError on all
    ranks, and then nothing is left.
    """
    mine = [
        (laid_out.paths[s], *laid_out.edges[s : s + 2])
        for s in range(world.rank, len(laid_out.paths), world.size)
    ]
    made = world.decide(lambda: _make_folder(laid_out))
    try:
        with world.agreed():
            for path, start, stop in mine:
                _write_shard(path, laid_out, rows, start, stop, attributes=attributes or {})
        with world.agreed():
            for path, *_ in mine:
                os.replace(_part(path), os.path.realpath(path))
        made = None
    finally:
        for path, *_ in mine:
            with suppress(OSError):
                os.remove(_part(path))
        if made:  # the last of the ranks finds it empty
            with suppress(OSError):
                os.rmdir(made)


def _make_folder(laid_out):
    """Make the folder of the files, where there is none; return it then."""
    folder = os.path.dirname(laid_out.paths[0]) or "."
    if os.path.isdir(folder):
        return None
    try:
        os.mkdir(folder)
    except OSError as error:
        raise DataError(
            f"folder {folder} cannot be made: {describe(error)}; name another place with -o"
        ) from None
    return folder


def _part(path):
    """Where a shard is written: beside what a symlink leads to."""
    return temporary(os.path.realpath(path))


def _write_shard(path, laid_out, rows, start, stop, *, attributes):
    try:
        with writing(_part(path)) as file:
            file.attrs.update(attributes)
            item = file.create_dataset(laid_out.dataset, **laid_out.storage(stop - start))
            item.attrs.update(laid_out.attributes)
            if laid_out.names:
                file.create_dataset(NAMES, data=laid_out.names, dtype=h5py.string_dtype())
            done = 0
            shaped = (
                part.reshape(len(part), *laid_out.row_shape) for part in rows.read(start, stop)
            )
            for piece in regroup(shaped, _piece(item, laid_out.row_bytes)):
                item[done : done + len(piece)] = piece
                done += len(piece)
        sync(_part(path))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {describe(error)}; {ELSEWHERE}") from error


def _piece(item, row_bytes):
    """Shape of what is written at a time: whole chunks of rows."""
    chunk = item.chunks[0] if item.chunks else 1
    return np.empty(
        (max(1, PIECE_BYTES // (chunk * row_bytes)) * chunk, *item.shape[1:]), item.dtype
    )


def regroup(arrays, buffer):
    """Yield the rows of ``arrays`` in order as slices of ``buffer`` (r, …), full but for the
    last.
    """
    filled = 0
    for rows in arrays:
        while len(rows):
            part = rows[: len(buffer) - filled]
            buffer[filled : filled + len(part)] = part
            filled, rows = filled + len(part), rows[len(part) :]
            if filled == len(buffer):
                yield buffer
                filled = 0
    yield buffer[:filled]
