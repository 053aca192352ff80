"""Rows of a dataset in an HDF5 file: samples along one axis, all others flattened to columns."""

import os
from collections.abc import Callable

import h5py
import numpy as np

from ..errors import DataError, PlatformError, describe, did_you_mean
from ..files.opening import CHUNK_CACHE, open_file
from ..files.paths import SUFFIXES
from ..units import listed
from .contents import MISSING, meant, names_in, readable, sparse_kind
from .labels import axes_of
from .links import check_values
from .lying import CannotMap
from .missing import is_north, read_attributes
from .opened import TWO, register
from .turned import Turned


def find_item(file, path, name):
    """Return the dataset, or the group of a sparse matrix, called ``name``, or the one that is
    meant; raise DataError.
    """
    if name is None:
        name = meant(file, path)
    try:
        item = file[name]
    except MISSING:
        link = file.get(name, getlink=True) if name in file.keys() else None
        if isinstance(link, h5py.ExternalLink):
            raise DataError(
                f"{path}:{name} is an external link to {link.filename}:{link.path}, which cannot be"
                " opened; restore that file"
            ) from None
        near = did_you_mean(name.strip("/"), names_in(file))
        raise DataError(
            f"{path} has no dataset {name}; those that can be read: {readable(file)}{near}"
        ) from None
    if not isinstance(item, h5py.Dataset) and not sparse_kind(item):
        raise DataError(f"{path}:{name} is a group, not a dataset")
    return item


def find_dataset(file, path, name, dimensions=2):
    """Return the dataset called ``name``, of at least so many ``dimensions``, or the one that is
    meant; raise DataError.
    """
    item = find_item(file, path, name)
    if sparse := sparse_kind(item):
        raise DataError(f"{path}:{name} is a sparse matrix ({sparse}); name a dense dataset here")
    check_dimensions(item, f"{path}:{name or item.name.strip('/')}", dimensions)
    return item


def check_dimensions(item, name, least=2):
    """Raise DataError if a dataset has fewer dimensions."""
    if item.ndim < least:
        raise DataError(
            f"{name} has shape {item.shape}; {TWO}"
            if least == 2
            else f"{name} is a single value; a list is needed"
        )


def forget(file, item, start, stop):
    """Take rows start..stop−1, and what was read ahead with them, out of the system's page
    cache.
    """
    if item.ndim > 2:
        os.posix_fadvise(file.id.get_vfd_handle(), 0, 0, os.POSIX_FADV_DONTNEED)
        return
    if item.chunks:
        ends = [item.id.get_chunk_info_by_coord((row, 0)) for row in (start, stop - 1)]
        begin, end = ends[0].byte_offset, ends[1].byte_offset + ends[1].size
    else:
        row = item.dtype.itemsize * item.shape[1]
        begin, end = item.id.get_offset() + start * row, item.id.get_offset() + stop * row
    os.posix_fadvise(file.id.get_vfd_handle(), begin, max(0, end - begin), os.POSIX_FADV_DONTNEED)


def chunk_runs(item):
    """Where the rows of a dataset lie that is in chunks of whole rows: as ``OpenRows.runs``."""
    rows, found = item.chunks[0], []
    if hasattr(item.id, "chunk_iter"):
        item.id.chunk_iter(lambda info: found.append((info.chunk_offset[0], info.byte_offset)))
    else:
        corner = (0,) * (item.ndim - 1)
        for first in range(0, item.shape[0], rows):
            info = item.id.get_chunk_info_by_coord((first, *corner))
            found.append((first, info.byte_offset))
    if len(found) * rows < item.shape[0] or None in dict(found).values():
        raise CannotMap("has chunks that were never written")
    first, offset = np.array(found, np.int64).T
    return np.column_stack([first, np.minimum(first + rows, item.shape[0]), offset])


def check_filters(item, name):
    """Raise PlatformError if this HDF5 cannot decompress a dataset."""
    plist = item.id.get_create_plist()
    for code, _, _, title in (plist.get_filter(i) for i in range(plist.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            which = title.decode(errors="replace") or f"number {code}"
            raise PlatformError(
                f"{name} is compressed by a filter that this HDF5 has not ({which}); pip"
                " install 'hpcpca[filters]'"
            ) from None


class Hdf5Rows(Turned):
    """Rows of the dataset that was named, or of the one that is meant if none was."""

    suffixes = SUFFIXES

    # the classes for sparse matrices and tables, and how a field of one is found, which ``sparse``
    # and ``compound`` put here
    of_groups: type
    of_records: type
    field_of: Callable

    @classmethod
    def opened(cls, path, dataset=None, cache=CHUNK_CACHE):
        """As of ``OpenRows``: of a sparse matrix an ``of_groups``."""
        file = open_file(path, cache)
        try:
            if dataset is None:
                _refuse_own(file, path)
            if dataset and (field := cls.field_of(file, dataset)):
                return cls.of_records(path, dataset, file, *field)
            item = find_item(file, path, dataset)
            kind = cls if isinstance(item, h5py.Dataset) else cls.of_groups
            if kind is cls and item.dtype.names:
                kind = cls.of_records
            return kind(path, dataset, file, item)
        except BaseException:
            file.close()
            raise

    def __init__(self, path, named, file, item):
        self.path, self._named, self._file, self._item = path, named, file, item
        self.look()
        self.turn(0)

    def look(self):
        """See what there is: sets ``extent`` and ``dtype``; raise DataError."""
        check_dimensions(self._item, self.name, 1)
        if h5py.check_ref_dtype(self._item.dtype) is h5py.Reference:
            self._refuse_references()
        self.extent, self.dtype = self._item.shape, self._item.dtype

    def _refuse_references(self):
        held = [each for each in self._item[...].ravel() if each]
        try:
            names = [f"{self.path}:{self._file[each].name.strip('/')}" for each in held]
        except MISSING:
            names = []
        raise DataError(
            f"{self.name} holds {len(held)} reference(s), as MATLAB's cells do; name what they lead"
            f" to: {listed(names, ' ') or 'some of it is not there'}"
        )

    @property
    def dataset(self):
        """Name of the dataset in this file: behind an external link it has its target's name."""
        is_elsewhere = os.path.realpath(self._item.file.filename) != os.path.realpath(self.path)
        return (self._named if is_elsewhere else self._item.name).strip("/")

    @property
    def chunks(self):
        """Rows and columns of the chunks, or None."""
        return self._item.chunks and self.along(self._item.chunks)

    @property
    def is_filtered(self):
        """Whether chunks are compressed."""
        return self._item.id.get_create_plist().get_nfilters() > 0

    @property
    def attributes(self):
        """Attributes of the dataset that say what its values mean."""
        return read_attributes(self._item)

    def axes(self):
        """As of ``OpenRows``."""
        return axes_of(self._file, self.dataset, self._item, self.extent)

    def latitudes(self):
        """As of ``OpenRows``: of a dimension scale whose units are degrees north."""
        for axis, dimension in enumerate(self._item.dims):
            for scale in dimension.values():
                if is_north(scale.attrs.get("units", "")) and axis != self._axis:
                    shape = [1] * len(self.extent)
                    shape[axis] = -1
                    whole = np.broadcast_to(scale[...].reshape(shape), self.extent)
                    return np.take(whole, 0, axis=self._axis).ravel().astype(np.float64)
        return super().latitudes()

    def check(self, follow_links, is_whole):
        """See where the values really are: links, virtual datasets, chunks never written."""
        check_values(self._item, self.path, self.name, follow_links, is_whole)

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out``; raise DataError or PlatformError."""
        if start == stop:
            return
        try:
            if self.dtype != np.bool_ and self._axis == 0:
                # as read_direct, at a quarter of its 60 µs
                space, corner = self._item.id.get_space(), (0,) * (len(self.extent) - 1)
                space.select_hyperslab((start, *corner), (stop - start, *self.extent[1:]))
                self._item.id.read(h5py.h5s.create_simple(out.shape), space, out)
                return
        except OSError:
            pass  # reading them otherwise says what is wrong
        try:
            self.gather(self._item, start, stop, out)
        except OSError as error:
            check_filters(self._item, self.name)
            raise DataError(
                f"{self.name}: rows {start}–{stop - 1} cannot be read: {describe(error)}"
            ) from None

    def runs(self):
        """As of ``OpenRows``."""
        item, plist = self._item, self._item.id.get_create_plist()
        is_elsewhere = os.path.realpath(item.file.filename) != os.path.realpath(self.path)
        if is_elsewhere or item.is_virtual or item.external:
            raise CannotMap("has its values in other files")
        if self._axis:
            raise CannotMap("has its samples along another axis")
        if item.id.get_type() != h5py.h5t.py_create(self.dtype):
            raise CannotMap("has values that are converted when they are read")
        if self.is_filtered:
            raise CannotMap("is compressed")
        if plist.get_layout() == h5py.h5d.CONTIGUOUS:
            return np.array([[0, self.shape[0], item.id.get_offset() or 0]])
        if not item.chunks or item.chunks[1:] != item.shape[1:]:
            raise CannotMap("has chunks of a part of each row" if item.chunks else "is too small")
        return chunk_runs(item)

    def forget(self, start, stop):
        """Take these rows out of the system's page cache."""
        forget(self._file, self._item, start, stop)

    def close(self):
        """Close the file."""
        self._file.close()


def _refuse_own(file, path):
    """Raise DataError for a file that hpcpca has written as its own."""
    kind = str(file.attrs.get("format", ""))
    if kind.startswith("hpcpca-"):
        raise DataError(
            f"{path} is a file of hpcpca itself ({kind}), not data; leave it out of DATA,"
            " or name a dataset of it"
        )


register("hdf5", Hdf5Rows)
