"""What stands along the axes of a dataset: names of columns, coordinates, as formats have them.

Names are those of AnnData (``obs`` and ``var``), 10x (``barcodes`` and ``features``), Loom
(``row_attrs`` and ``col_attrs``), fields of tables, ``/column_names`` of ``hpcpca data import``,
and the dimension scales of HDF5, which NetCDF-4 has as dimensions and coordinates.
"""

from dataclasses import dataclass

import h5py
import numpy as np

from .contents import MISSING

COLUMN_NAMES = "column_names"
PHONY = b"This is a netCDF dimension but not a netCDF variable"
BARCODES, FEATURES = ("barcodes",), ("features/name", "features/id", "gene_names", "genes")
LOOM = {"row_attrs": ("Gene", "Accession"), "col_attrs": ("CellID", "obs_names")}


@dataclass(frozen=True)
class Axis:
    """An axis: its name, the ``values`` (length) along it, which are numbers or UTF-8 in bytes, and
    their ``units``. What is not known is empty, or None.
    """

    name: str = ""
    values: np.ndarray | None = None
    units: str = ""

    def words(self):
        """Return the values as text: list of str."""
        return [
            each.decode(errors="replace") if isinstance(each, bytes) else f"{each:g}"
            for each in self.values.tolist()
        ]


def axes_of(file, name, item, extent):
    """Return the ``Axis`` of each length of ``extent`` of an open file's dataset, or sparse matrix,
    called ``name``. Names that cannot be read are none.
    """
    try:
        return _found(file, name, item, extent)
    except (*MISSING, TypeError, AttributeError):
        return tuple(Axis() for _ in extent)


def _found(file, name, item, extent):
    found = [Axis() for _ in extent]
    for axis, known in enumerate(_by_format(file, name, item, len(extent))[: len(extent)]):
        if known.values is not None and known.values.shape == (extent[axis],):
            found[axis] = known
    if isinstance(item, h5py.Dataset) and item.ndim == len(extent):
        for axis, dimension in enumerate(item.dims):
            if found[axis].values is None:
                found[axis] = _of_scale(dimension, extent[axis])
    return tuple(found)


def _by_format(file, name, item, count):
    """Candidates for axes: of AnnData, 10x, Loom, tables and imported data."""
    name = name.strip("/")
    if "var" in file and (name == "X" or name.startswith("layers/")):
        return [_of_frame(file, "obs"), _of_frame(file, "var")]
    if name == "raw/X":
        return [_of_frame(file, "obs"), _of_frame(file, "raw/var")]
    group = file.get(name)
    if isinstance(group, h5py.Group) and "barcodes" in group:  # 10x: features × cells
        return [_first(group, FEATURES, "feature"), _first(group, BARCODES, "cell")]
    if "row_attrs" in file and "col_attrs" in file:
        rows = _first(file["row_attrs"], LOOM["row_attrs"], "gene")
        return [rows, _first(file["col_attrs"], LOOM["col_attrs"], "cell")]
    if isinstance(item, h5py.Dataset) and item.dtype.names:
        fields = np.array([each.encode() for each in item.dtype.names])
        return [Axis()] * (count - 1) + [Axis("field", fields)]
    return _imported(file, name, count)


def _imported(file, name, count):
    if count != 2 or COLUMN_NAMES not in file or name == COLUMN_NAMES:
        return []
    return [Axis(), _first(file, (COLUMN_NAMES,), "column")]


def _of_frame(file, name):
    """The index of a data frame of AnnData."""
    group = file.get(name)
    if isinstance(group, h5py.Dataset) and group.dtype.names and "index" in group.dtype.names:
        return Axis(name, _texts(group["index"]))  # of anndata before 0.7
    if not isinstance(group, h5py.Group):
        return Axis()
    index = group.attrs.get("_index", "_index")
    return _first(group, (index.decode() if isinstance(index, bytes) else index,), name)


def _first(group, names, called):
    """The axis by the first of the datasets ``names`` that a group has."""
    for name in names:
        try:
            item = group[name]
            if isinstance(item, h5py.Dataset) and item.ndim == 1:
                return Axis(called.rpartition("/")[2], _texts(item[...]))
        except MISSING:
            pass
    return Axis()


def _of_scale(dimension, length):
    """The axis by the first dimension scale of a dataset, if it has any."""
    name = dimension.label
    try:
        scales = list(dimension.values())
    except MISSING:
        scales = []
    for scale in scales:
        name = name or scale.name.rpartition("/")[2]
        is_named = scale.attrs.get("NAME", b"").startswith(PHONY)
        if is_named or scale.shape != (length,):
            continue
        units = scale.attrs.get("units", "")
        units = units.decode(errors="replace") if isinstance(units, bytes) else str(units)
        return Axis(name, _texts(scale[...]), units)
    return Axis(name)


def _texts(values):
    """Numbers as they are, text as UTF-8 in bytes of one length; None for anything else."""
    if values.dtype.kind in "iufbS":
        return values
    if values.dtype.kind in "OU":
        coded = [each if isinstance(each, bytes) else str(each).encode() for each in values.ravel()]
        return np.array(coded, dtype=f"S{max(map(len, coded), default=0) or 1}")
    return None


@dataclass(frozen=True)
class Column:
    """What a dataset says of every row: ``values`` (n), which are numbers, or numbers of ``names``
    (−1: none) if there are any.
    """

    values: np.ndarray
    names: tuple = ()


def column_of(file, name):
    """Return the ``Column`` called ``name`` in an open file: a list of numbers or text, or what
    AnnData calls categorical. None if it is none of these.
    """
    item = file.get(name)
    if isinstance(item, h5py.Group) and {"codes", "categories"} <= set(item):
        names = Axis(values=_texts(item["categories"][...])).words()
        return Column(item["codes"][...].astype(np.int64), tuple(names))
    if not isinstance(item, h5py.Dataset) or item.ndim != 1:
        return None
    values = _texts(item[...])
    if values is None or values.dtype.kind != "S":
        return None if values is None else Column(values)
    found, codes = np.unique(values, return_inverse=True)
    return Column(codes, tuple(Axis(values=found).words()))
