"""What an HDF5 file holds, and which dataset is meant if none is named."""

import math
from dataclasses import dataclass

import h5py
import numpy as np

from ..errors import DataError
from ..units import listed

SMALL = 0.01  # of a dataset's elements: what has fewer is not meant instead of it
MISSING = (KeyError, ValueError, RuntimeError, OSError)  # raised for links with nothing behind them
SPARSE = {"csr_matrix": "sparse CSR", "csc_matrix": "sparse CSC"}  # what anndata calls them
# where formats say what they are, old ones of anndata too
ENCODING, SHAPE = ("encoding-type", "h5sparse_format"), ("shape", "h5sparse_shape")
MEMBERS = ("data", "indices", "indptr")  # of every sparse matrix, those of 10x too
CANNOT = {
    "c": "complex numbers",
    "O": "objects or variable-length values",
    "S": "strings",
    "U": "strings",
    "V": "records",
}


@dataclass(frozen=True)
class Held:
    """A dataset of a file, or a group that is a sparse matrix."""

    name: str
    shape: tuple
    kind: str  # its type in words
    elements: int  # values that are stored
    trouble: str  # why it cannot be taken as rows and columns, or ""
    is_numeric: bool
    is_sparse: bool = False
    is_real: bool = False  # real numbers of at most 64 bits

    @property
    def is_flat(self):
        """Whether it has rows and columns: samples along one axis, and at least another one."""
        return len(self.shape) >= 2

    @property
    def is_readable(self):
        """Whether its rows can be read."""
        return self.is_flat and not self.trouble

    @property
    def is_candidate(self):
        """Whether it may be what a user means by the data of a file."""
        return self.is_sparse or (self.is_numeric and len(self.shape) > 1)

    @property
    def words(self):
        """Shape, type, and what is in the way of reading it."""
        size = " × ".join(map(str, self.shape)) or "scalar"
        return f"{size} {self.kind}" + (f", {self.trouble}" if self.trouble else "")


def contents(file):
    """All that a file holds: list of ``Held``, largest first. A sparse matrix is one of them."""
    found, inside = [], []

    def look(name, item):
        if any(name.startswith(f"{group}/") for group in inside):
            return
        if isinstance(item, h5py.Dataset):
            found.append(_dataset(name, item))
        elif sparse := sparse_kind(item):
            inside.append(name)
            found.append(_sparse(name, item, sparse))

    file.visititems(look)
    return sorted(found, key=lambda held: -held.elements)


def _dataset(name, item):
    shape = item.shape or ()
    size = 0 if item.shape is None else math.prod(shape)
    try:
        dtype = item.dtype
    except TypeError:  # a type that numpy does not have
        return Held(name, shape, "of an unknown type", size, "cannot be read", is_numeric=False)
    kind = CANNOT[dtype.kind] if dtype.kind in "OSUV" else str(dtype)
    if h5py.check_string_dtype(dtype):
        kind = "text"
    elif h5py.check_ref_dtype(dtype):
        kind = "references"
    return Held(
        name,
        shape,
        kind,
        size,
        _trouble(shape, dtype),
        is_numeric=dtype.kind in "biufc",
        is_real=item.shape is not None and is_held(dtype),
    )


def _trouble(shape, dtype):
    if len(shape) < 2:
        return "1-D" * len(shape)
    return "" if is_held(dtype) else "cannot be read"


def sparse_kind(item):
    """The name of the format if a group is a sparse matrix, else None."""
    if not isinstance(item, h5py.Group):
        return None
    if not all(isinstance(item.get(name), h5py.Dataset) for name in MEMBERS):
        return None
    said = _first(item, ENCODING)
    if said is None:  # of 10x
        return "sparse CSC"
    return SPARSE.get(said, SPARSE.get(f"{said}_matrix"))


def sparse_shape(item):
    """Rows and columns of a sparse matrix, or None."""
    shape = _first(item, SHAPE)
    if shape is None and isinstance(item.get("shape"), h5py.Dataset):
        shape = item["shape"][...]
    return None if shape is None else tuple(int(each) for each in np.ravel(shape))


def _first(item, names):
    found = (_attribute(item, name) for name in names)
    return next((each for each in found if each is not None), None)


def _sparse(name, item, kind):
    data, shape = item["data"], sparse_shape(item) or ("?", "?")
    stored = int(data.size or 0)
    return Held(
        name,
        shape,
        f"with {stored} values, {kind}",
        stored,
        "",
        is_numeric=True,
        is_sparse=True,
    )


def _attribute(item, name):
    """An attribute, as str if it is text; None if there is none that can be read."""
    try:
        value = item.attrs.get(name)
    except (*MISSING, TypeError):
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def links(file, path):
    """Describe the external links of the file at ``path``, and links that lead nowhere."""
    names = []
    file.id.links.visit(names.append)  # unlike visititems it tells of links
    for name in (name.decode(errors="surrogateescape") for name in names):
        link = file.get(name, getlink=True)
        try:
            item = file[name]
        except MISSING:
            item = None
        if isinstance(link, h5py.ExternalLink):
            more = ""
            if item is None:
                more = ", which cannot be opened"
            elif isinstance(item, h5py.Dataset) and item.ndim == 2:
                target = f"{item.file.filename}:{item.name.lstrip('/')}"
                more = f", name it: {target}, or {path}:{name} with --follow-links"
            yield f"{name} is an external link to {link.filename}:{link.path}{more}"
        elif item is None:
            yield f"{name} is a link that leads nowhere or in a circle"


def meant(file, path):
    """Name of the dataset that is meant if none is named; raise DataError if it is unclear."""
    held = contents(file)
    candidates = [each for each in held if each.is_candidate]
    flat = [each for each in candidates or held if each.is_flat]
    if not flat:
        told = [f"{each.name} ({each.words})" for each in held]
        there = listed([*told, *links(file, path)], "; ") or "no dataset at all"
        raise DataError(
            f"{path} has no dataset of two or more dimensions ({there}); name another file, "
            "or write the data as rows (samples) × columns (features)"
        )
    chosen = flat[0]
    others = [each for each in candidates if each is not chosen]
    if any(each.elements >= SMALL * chosen.elements for each in others):
        raise DataError(_several(path, candidates))
    return chosen.name


def readable(file):
    """Names of the datasets of a file that can be read, largest first, in words, or "none"."""
    return listed([each.name for each in contents(file) if each.is_readable]) or "none"


def names_in(file):
    """Names of all datasets and sparse matrices of a file, largest first."""
    return [each.name for each in contents(file)]


def _several(path, candidates):
    names = [each.name for each in candidates if each.is_readable]
    remedy = "none of them can be read: name another file"
    if len(names) == 1:
        remedy = f"if {names[0]} is meant, name it: {path}:{names[0]}"
    elif names:
        remedy = "name one: " + listed([f"{path}:{name}" for name in names])
    told = listed([f"{each.name} ({each.words})" for each in candidates])
    return f"{path} holds several datasets that may be meant: {told}; {remedy}"


def is_held(dtype):
    """Whether values of ``dtype`` are real numbers of at most 64 bits."""
    return dtype == np.bool_ or (dtype.kind in "iuf" and dtype.itemsize <= 8)


def element_type(dtype, name):
    """Native type that values of ``dtype`` are held in; raise DataError unless they are real."""
    if not is_held(dtype):
        raise DataError(
            f"{name} holds {CANNOT.get(dtype.kind, str(dtype))} (dtype {dtype}); "
            "real numbers of at most 64 bits are needed"
        )
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")
