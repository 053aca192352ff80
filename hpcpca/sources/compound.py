"""Tables in HDF5: one-dimensional datasets of records, whose fields become columns."""

import h5py
import numpy as np

from ..errors import DataError, describe
from ..units import listed
from .contents import is_held
from .hdf5 import Hdf5Rows, check_filters
from .lying import MADE, CannotMap


class _Field:
    """A field of all records, as an array that is read when it is indexed."""

    def __init__(self, item, name):
        self._values, self._axes = item.fields(name), item.ndim

    def __getitem__(self, place):
        values = self._values[place[: self._axes]]
        return values[(..., *place[self._axes :])] if place[self._axes :] else values


class _Fields:
    """All fields of all records: one more axis, along which they lie."""

    def __init__(self, item, dtype):
        self._item, self._axes, self._dtype = item, item.ndim, dtype

    def __getitem__(self, place):
        # numpy's functions on fields load its masked arrays, which nothing else needs
        from numpy.lib.recfunctions import structured_to_unstructured

        values = structured_to_unstructured(self._item[place[: self._axes]], self._dtype)
        return values[(..., *place[self._axes :])] if place[self._axes :] else values


class CompoundRows(Hdf5Rows):
    """Records of a dataset: a field that was named as DATASET/FIELD, or all of them."""

    def __init__(self, path, named, file, item, field=None):
        self._field = field
        super().__init__(path, named, file, item)

    def look(self):
        """As of ``Hdf5Rows``."""
        kinds = self._item.dtype.fields
        if self._field:
            kind = kinds[self._field][0]
            self.extent, self.dtype = (*self._item.shape, *kind.shape), kind.base
            self._values = _Field(self._item, self._field)
            return
        other = [name for name, (kind, *_) in kinds.items() if kind.shape or not is_held(kind)]
        if other:
            raise DataError(
                f"{self.name} has fields that are no single numbers: {listed(other)}; name one"
                f" ({self.name}/FIELD), or several with --join"
            )
        self.extent = (*self._item.shape, len(kinds))
        self.dtype = np.result_type(*(kind for kind, *_ in kinds.values()))
        self._values = _Fields(self._item, self.dtype)

    @property
    def dataset(self):
        """As of ``Hdf5Rows``, with the field."""
        return super().dataset + (f"/{self._field}" if self._field else "")

    @property
    def chunks(self):
        """None: those of records have no columns."""
        return None

    @property
    def chunk_rows(self):
        """As of ``OpenRows``."""
        return self._item.chunks[0] if self._item.chunks and self._axis == 0 else 1

    def runs(self):
        """As of ``OpenRows``."""
        raise CannotMap(MADE)

    def read(self, start, stop, out):
        """As of ``Hdf5Rows``."""
        try:
            self.gather(self._values, start, stop, out)
        except OSError as error:
            check_filters(self._item, self.name)
            raise DataError(
                f"{self.name}: rows {start}–{stop - 1} cannot be read: {describe(error)}"
            ) from None


def field_of(file, name):
    """Return (dataset, field) that ``name`` means as DATASET/FIELD, or None; raise DataError if the
    dataset has other fields.
    """
    head, _, field = name.rstrip("/").rpartition("/")
    try:
        item = file[head] if head else None
    except (KeyError, ValueError, RuntimeError, OSError):
        return None
    if not (isinstance(item, h5py.Dataset) and item.dtype.names):
        return None
    if field not in item.dtype.names:
        raise DataError(
            f"{file.filename}:{head} has no field {field}; its fields: {listed(item.dtype.names)}"
        )
    return item, field


Hdf5Rows.of_records, Hdf5Rows.field_of = CompoundRows, staticmethod(field_of)
