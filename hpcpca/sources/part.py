"""One dataset of a file set: found, looked at, read."""

import os
import zlib
from dataclasses import dataclass, field

import h5py
import numpy as np

from ..errors import DataError, PlatformError, describe
from ..files.damage import naming
from ..files.opening import open_file
from .contents import MISSING, element_type, meant, readable, sparse_kind
from .links import check_values
from .missing import check_packing, read_attributes

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

    @property
    def name(self):
        """PATH:dataset."""
        return f"{self.path}:{self.dataset}"


def find_dataset(file, path, name):
    """Return the dataset called ``name``, or the one that is meant; raise DataError."""
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
        raise DataError(
            f"{path} has no dataset {name}; its two-dimensional ones: {readable(file)}"
        ) from None
    if sparse := sparse_kind(item):
        raise DataError(
            f"{path}:{name} is a sparse matrix ({sparse}), which is not read yet; "
            "write it out as a dense dataset of rows × columns"
        )
    if not isinstance(item, h5py.Dataset):
        raise DataError(f"{path}:{name} is a group, not a dataset")
    if item.ndim != 2:
        raise DataError(
            f"{path}:{name} has shape {item.shape}; two dimensions (rows = samples, columns ="
            " features) are needed"
        )
    return item


def part_of(path, dataset, follow_links, is_whole):
    """Look at a file and return its ``Part``; raise DataError."""
    with naming(path), open_file(path) as file:
        kind = str(file.attrs.get("format", ""))
        if dataset is None and kind.startswith("hpcpca-"):
            raise DataError(
                f"{path} is a file of hpcpca itself ({kind}), not data; leave it out of DATA, or"
                " name a dataset of it"
            )
        item = find_dataset(file, path, dataset)
        is_elsewhere = os.path.realpath(item.file.filename) != os.path.realpath(path)
        dataset = (dataset if is_elsewhere else item.name).strip(
            "/"
        )  # behind an external link an item has its target's name
        name = f"{path}:{dataset}"
        dtype = element_type(item.dtype, name)
        rows, columns = item.shape
        check_values(item, path, name, follow_links, is_whole)
        attributes = read_attributes(item)
        if is_whole:
            check_packing(attributes, name)
        chunk = item.chunks[0] if item.chunks else 1
        status = os.stat(path)
        picked = (
            np.unique(np.linspace(0, max(0, rows - 1), SAMPLED_ROWS).astype(int))
            if rows and columns
            else []
        )
        content = 0
        for row in picked:
            content = zlib.crc32(
                np.ascontiguousarray(read_rows(item, row, row + 1, name), dtype).tobytes(), content
            )
        return Part(
            path,
            dataset,
            rows,
            columns,
            dtype.str.lstrip("<>=|"),
            chunk,
            status.st_size,
            status.st_mtime,
            content,
            attributes,
        )


def read_rows(item, start, stop, name):
    """Rows start..stop−1 of a dataset; raise DataError or PlatformError naming the file."""
    try:
        return item[start:stop]
    except OSError as error:
        plist = item.id.get_create_plist()
        for code, _, _, title in (plist.get_filter(i) for i in range(plist.get_nfilters())):
            if not h5py.h5z.filter_avail(code):
                which = title.decode(errors="replace") or f"number {code}"
                raise PlatformError(
                    f"{name} is compressed by a filter that this HDF5 has not ({which}); pip"
                    " install 'hpcpca[filters]'"
                ) from None
        raise DataError(
            f"{name}: rows {start}–{stop - 1} cannot be read: {describe(error)}"
        ) from None
