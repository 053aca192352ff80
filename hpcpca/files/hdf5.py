"""Writing HDF5 from all ranks so that a file is either there whole or not at all; reading it
back, checked.

The one module that knows whether h5py has MPI: with it all ranks write their rows through the mpio
driver, without it the root writes what it gathers, piece by piece. The files are the same.
"""

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import h5py
import numpy as np

from ..errors import DataError, HpcpcaError, describe, on_all_ranks
from ..units import format_size
from .paths import temporary
from .seal import checksum, row_checksums, seal
from .trailer import append_trailer, check_trailer

PIECE_BYTES = 64 << 20
H5PY_ERRORS = (OSError, RuntimeError, ValueError)  # what h5py raises where HDF5 fails
HAS_MPI = bool(h5py.get_config().mpi)
LIBRARY = f"{h5py.__version__} (HDF5 {h5py.version.hdf5_version}{', parallel' if HAS_MPI else ''})"
TAKEN = 256 << 20  # bytes that are tried out: some file systems write for it
OVERHEAD = 64 << 10  # bytes of a file beside its datasets, at most
ELSEWHERE = "make room, or name another place with -o"
# what HDF5 could not write (disk full): it crashes if it tries again, as at exit
unfinished: list = []
LIBVER = (
    "v108",
    "v108",
)  # attributes over 64 KiB (sources of many files) need this; every HDF5 since 1.8 reads it


@dataclass(frozen=True)
class Rows:
    """This rank's rows ``own`` (r, d) of an array whose rows are spread over the ranks as
    ``offsets`` says; floats of one type on all ranks.
    """

    own: np.ndarray
    offsets: np.ndarray

    def shape(self):
        """Of the whole array."""
        return (int(self.offsets[-1]), self.own.shape[1])


def write(world, path, attributes, arrays, keep_previous=False):
    """Write ``attributes`` (the root's) and ``arrays`` (name → the root's array, or ``Rows``) to
    ``path``, whole or not at all.

    A temporary file in the same folder, flushed, synced and renamed; ``keep_previous`` keeps the
    old file as PATH.1. Collective; raises DataError on all ranks. Then the old file is still
    there: as ``path``, or as PATH.1 if the last renaming failed. (If only syncing the folder
    failed, the new file is in its place.)
    """
    # A file replaces what a symlink leads to. With ``keep_previous`` it replaces the link itself,
    # since PATH.1 is looked for beside the link.
    path = path if keep_previous else os.path.realpath(path)
    part = temporary(path)
    try:
        plan = _plan(world, attributes, arrays)
        with world.agreed():
            if world.is_root:
                check_room(
                    part,
                    sum(
                        int(np.prod(shape)) * np.dtype(dtype).itemsize
                        for _, shape, dtype, _ in plan[1]
                    )
                    + OVERHEAD,
                )
        (_write_parallel if HAS_MPI and world.size > 1 else _write_by_root)(
            world, part, *plan, arrays
        )
        with world.agreed():
            if world.is_root:
                _commit(part, path, keep_previous)
    except HpcpcaError as error:  # what ranks agreed on; anything else is a bug, and ends the run
        if world.is_root and os.path.exists(part):
            os.remove(part)
        raise on_all_ranks(DataError(f"{path} cannot be written: {describe(error)}")) from error


def check_room(path, count):
    """Raise OSError where there is no room for a file of so many bytes: better than HDF5's
    failing halfway, which it does not get over.

    Of not too large ones the space is really taken for a moment: quotas show only then.
    """
    status = os.statvfs(os.path.dirname(path) or ".")
    free = status.f_bavail * status.f_frsize
    if status.f_blocks and free < count:
        raise OSError(
            f"No space left on device: {format_size(count)} needed, {format_size(free)} free"
        )
    if count <= TAKEN:
        try:
            with open(path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, count)
        finally:
            with suppress(FileNotFoundError):
                os.remove(path)


def require_room(path, count):
    """Raise DataError where ``check_room`` finds none, before a run that would end without its
    result. For the root to call.
    """
    try:
        check_room(temporary(path), count + OVERHEAD)
    except OSError as error:
        raise DataError(
            f"{path} could not be written in the end: {describe(error)}; {ELSEWHERE}"
        ) from None


@contextmanager
def writing(path, mode="w"):
    """An HDF5 file of this rank alone, closed at the end; raise OSError if HDF5 cannot write it.

    Then it is not touched again.
    """
    file = None
    try:
        file = h5py.File(path, mode, locking=False, libver=LIBVER)
        yield file
        file.flush()
        file.close()
    except H5PY_ERRORS as error:
        unfinished.append((file, error))  # its frames hold datasets, which write when they go
        raise OSError(describe(error)) from error
    except BaseException:
        if file is not None:
            file.close()
        raise


def _commit(temporary, path, keep_previous):
    append_trailer(temporary)
    sync(temporary)
    if keep_previous and os.path.exists(path) and not _is_damaged(path):
        os.replace(path, path + ".1")
    os.replace(temporary, path)
    sync(os.path.dirname(path) or ".")


def _is_damaged(path):
    """Whether a file is known to be damaged: it must not take the place of a good one before it."""
    try:
        check_trailer(path)
    except (DataError, OSError):
        return True
    return False


def sync(path):
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plan(world, attributes, arrays):
    """Attributes, and (name, shape, dtype, checksum) of all arrays, on all ranks: creating
    things in a file is collective.
    """
    with world.agreed():
        local = {
            name: row_checksums(array.own)
            for name, array in arrays.items()
            if isinstance(array, Rows)
        }
    parts = world.comm.gather(local)
    plan = None
    if world.is_root:
        crcs = {name: np.concatenate([part[name] for part in parts]) for name in local}
        plan = (
            attributes,
            [
                (
                    name,
                    array.shape() if name in local else np.shape(array),
                    array.own.dtype if name in local else np.asarray(array).dtype,
                    checksum(crcs[name] if name in local else row_checksums(array)),
                )
                for name, array in arrays.items()
            ],
        )
    return world.comm.bcast(plan)


def _create(file, attributes, datasets):
    for name, shape, dtype, crc in datasets:
        file.create_dataset(name, shape, dtype).attrs["checksum"] = crc
    for name, value in attributes.items():
        file.attrs[name] = value
    file.attrs["seal"] = seal(
        dict(file.attrs), {name.strip("/"): int(crc) for name, _, _, crc in datasets}
    )


def _write_parallel(world, temporary, attributes, datasets, arrays):
    with world.agreed():  # an open that fails on some ranks only would hang the others
        if world.is_root:
            open(temporary, "wb").close()
    with world.agreed(also=H5PY_ERRORS):
        file = h5py.File(temporary, "w", driver="mpio", comm=world.comm, libver=LIBVER)
    try:
        with world.agreed(also=H5PY_ERRORS):
            _create(file, attributes, datasets)
        with world.agreed(also=H5PY_ERRORS):
            for name, *_ in datasets:
                array = arrays.get(name)
                if isinstance(array, Rows) and len(array.own):
                    file[name][
                        array.offsets[world.rank] : array.offsets[world.rank] + len(array.own)
                    ] = array.own
                elif world.is_root and not isinstance(array, Rows):
                    file[name][...] = array
    except HpcpcaError:
        unfinished.append(
            file
        )  # closing it is collective, and waits for ever for what one rank could not write
        raise
    with world.agreed(also=H5PY_ERRORS):
        try:
            file.close()
        except H5PY_ERRORS:
            unfinished.append(file)
            raise


def _write_by_root(world, temporary, attributes, datasets, arrays):
    writer = _RootWriter()
    if world.is_root:
        writer.call(lambda: writer.open(temporary, attributes, datasets))
    for name, shape, dtype, _ in datasets:
        array = arrays.get(name)
        if isinstance(array, Rows):
            _gather_rows(world, writer, name, (shape, dtype), rows=array)
        elif world.is_root:
            writer.put(name, ..., array)
    with world.agreed(also=H5PY_ERRORS):
        writer.close()


class _RootWriter:
    """The root's file.

    After a failure (disk full) it drops what comes, so that no sender hangs, and raises at the end.
    """

    def __init__(self):
        self.file = self.error = None

    def call(self, action):
        if self.error is None:
            try:
                action()
            except H5PY_ERRORS as error:
                self.error = error
                unfinished.append(self.file)

    def open(self, path, attributes, datasets):
        self.file = h5py.File(path, "w", libver=LIBVER)
        _create(self.file, attributes, datasets)

    def put(self, name, where, values):
        self.call(lambda: self.file[name].__setitem__(where, values))

    def close(self):
        if self.file is not None:
            self.call(self.file.flush)
            try:
                self.file.close()
            except H5PY_ERRORS as error:
                self.error = self.error or error
                unfinished.append(self.file)
        if self.error is not None:
            raise self.error


def _gather_rows(world, writer, name, kind, rows):
    """The root receives rows rank by rank, a piece at a time, and writes them; others send."""
    shape, dtype = kind
    step = max(1, PIECE_BYTES // max(8, shape[1] * 8))
    for start in range(0, shape[0], step):
        stop = min(shape[0], start + step)
        for rank in range(world.size):
            first, last = (
                int(max(start, rows.offsets[rank])),
                int(min(stop, rows.offsets[rank + 1])),
            )
            if first >= last:
                continue
            mine = (
                rows.own[first - rows.offsets[rank] : last - rows.offsets[rank]]
                if rank == world.rank
                else None
            )
            if rank != 0:
                mine = _send_to_root(world, rank, mine, (last - first, shape[1]), dtype)
            if world.is_root:
                writer.put(name, slice(first, last), mine)


def _send_to_root(world, rank, mine, shape, dtype):
    if world.rank == rank:
        world.comm.Send(np.ascontiguousarray(mine, dtype=dtype), 0)
    elif world.is_root:
        mine = np.empty(shape, dtype)
        world.comm.Recv(mine, rank)
    return mine
