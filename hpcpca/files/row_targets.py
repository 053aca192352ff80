"""The ways in which ranks write the rows of one dataset: each its own, all together, or the root
for everybody.
"""

from contextlib import contextmanager
from math import prod

import h5py
import numpy as np

from ..errors import DataError, HpcpcaError, describe, on_all_ranks
from .hdf5 import ELSEWHERE, H5PY_ERRORS, LIBVER, unfinished

SMALLEST_CHUNK, LARGEST_CHUNK = 1 << 20, 64 << 20
MOST_CHUNKS = 1 << 15  # beyond this many, chunks grow: every rank keeps their index
CACHE_BYTES = 64 << 20  # of the root, which meets the chunks on the borders of ranks again


def chunk_rows(shape, itemsize):
    """Rows of a chunk of an (n, …) dataset, such that the last one is hardly shorter."""
    n, row = shape[0], prod(shape[1:]) * itemsize
    most = max(1, min(LARGEST_CHUNK, max(SMALLEST_CHUNK, n * row // MOST_CHUNKS)) // row)
    return -(-n // -(-n // most))


class _Target:
    """What the three ways of writing share. Rows are flat (r, k), whatever axes the dataset has."""

    def __init__(self, world, path):
        self.world, self.path, self.file, self.item = world, path, None, None

    @contextmanager
    def writing(self):
        """Agree on failures of the body as "cannot be written": then the file is let alone."""
        try:
            with self.world.agreed(also=H5PY_ERRORS):
                yield
        except HpcpcaError as error:
            if self.file is not None:
                unfinished.append((self.file, self.item))
                self.file = None
            raise on_all_ranks(
                DataError(f"{self.path} cannot be written: {describe(error)}; {ELSEWHERE}")
            ) from error

    def _create(self, file, name, shape, dtype, attributes, *, compression):
        self.file = file
        self.item = file.create_dataset(
            name,
            shape,
            dtype,
            chunks=(chunk_rows(shape, dtype.itemsize), *shape[1:]),
            compression=compression,
            shuffle=bool(compression),
            fill_time="never",
        )
        for key, value in attributes.items():
            file.attrs[key] = value

    def open(self, path, name, shape, dtype, attributes, *, compression):
        """Make the file on all ranks."""
        with self.writing():
            self._create(
                h5py.File(path, "w", driver="mpio", comm=self.world.comm, libver=LIBVER),
                name,
                shape,
                dtype,
                attributes,
                compression=compression,
            )

    def add(self, arrays):
        """Write small arrays {name: array} beside the rows, the same ones on all ranks."""
        with self.writing():
            for name, array in arrays.items() if self.file is not None else ():
                item = self.file.create_dataset(name, array.shape, array.dtype)
                if self.world.is_root:
                    item[...] = array

    def _fill(self, first, rows):
        self.item[first : first + len(rows)] = rows.reshape(len(rows), *self.item.shape[1:])

    def close(self):
        """Finish the file; collective."""
        with self.writing():
            if self.file is not None:
                self.file.flush()
                self.file.close()
        self.file = None


class Independent(_Target):
    """Every rank writes its rows when it has them."""

    def put(self, first, rows):
        """Write rows (r, k), or None, from row ``first`` on."""
        with self.writing():
            if rows is not None:
                self._fill(first, rows)


class Collective(_Target):
    """All ranks write together, those without rows nothing: compressed chunks belong to several
    ranks.
    """

    def put(self, first, rows):
        """Write rows (r, k), or None, from row ``first`` on."""
        together = h5py.h5p.create(h5py.h5p.DATASET_XFER)
        together.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)
        space, axes = self.item.id.get_space(), self.item.shape[1:]
        shape = (1 if rows is None else len(rows), *axes)
        memory = h5py.h5s.create_simple(shape)
        if rows is None:
            rows = np.empty(shape, self.item.dtype)
            space.select_none()
            memory.select_none()
        else:
            rows = rows.reshape(shape)
            space.select_hyperslab((first, *(0 for _ in axes)), shape)
        with self.writing():
            self.item.id.write(memory, space, rows, dxpl=together)


class ByRoot(_Target):
    """The root writes what the others send; after a failure (disk full) it drops what comes, so
    that no sender hangs.
    """

    error = sending = None

    def open(self, path, name, shape, dtype, attributes, *, compression):
        """Make the file on the root."""
        with self.writing():
            if self.world.is_root:
                self._create(
                    h5py.File(path, "w", libver=LIBVER, rdcc_nbytes=CACHE_BYTES),
                    name,
                    shape,
                    dtype,
                    attributes,
                    compression=compression,
                )

    def put(self, first, rows):
        """Write rows (r, k), or None, from row ``first`` on; they must stay as they are until
        the next put.
        """
        self._settle()
        coming = self.world.comm.gather((first, 0 if rows is None else len(rows)))
        if not self.world.is_root:
            if rows is not None:
                self.sending = self.world.comm.Isend(rows, 0), rows
            return
        for rank, (start, count) in enumerate(coming):
            if count and rank:
                rows = np.empty((count, *self.item.shape[1:]), self.item.dtype)
                self.world.comm.Recv(rows, rank)
            if count:
                self._write(start, rows)

    def _write(self, first, rows):
        try:
            if self.error is None:
                self._fill(first, rows)
        except H5PY_ERRORS as error:
            self.error = error

    def _settle(self):
        """Wait until the last piece has been received, and agree on whether writing still goes
        well.
        """
        if self.sending is not None:
            self.sending[0].Wait()
            self.sending = None
        with self.writing():
            error, self.error = self.error, None
            if error is not None:
                raise error

    def close(self):
        """Finish the file; collective."""
        try:
            self._settle()
        finally:
            super().close()
