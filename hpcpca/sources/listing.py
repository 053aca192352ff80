"""What a data file holds, in lines of text."""

from itertools import islice

from ..errors import DataError
from ..files.damage import reporting_damage
from ..files.opening import open_file
from ..units import format_size
from . import netcdf3
from .contents import contents, element_type, links
from .formats import open_rows
from .hdf5 import Hdf5Rows, find_dataset
from .opened import FORMATS

MOST_LISTED = 20  # things in a file


def is_other(path):
    """Whether a file is of another format than HDF5."""
    taken = (kind for kind in FORMATS.values() if kind is not Hdf5Rows and kind.takes(path))
    return any(taken)


def describe_data(path, dataset=None):
    """Return lines on the datasets of a file, or on the one that is named; raise DataError."""
    if is_other(path):
        if netcdf3.ClassicRows.takes(path):
            return netcdf3.describe(path)
        with open_rows(path, dataset) as opened:
            size = " × ".join(map(str, opened.extent or opened.shape))
            return [f"{path}: data, {size} {opened.dtype}"]
    with reporting_damage(path), open_file(path) as file:
        if dataset:
            line = _dataset(find_dataset(file, path, dataset), dataset)
            return [f"{path}: data, 1 dataset(s) of rows", line]
        held = contents(file)
        flat = sum(each.is_flat for each in held)
        lines = [f"{path}: data, {flat} dataset(s) of rows"]
        for each in held[:MOST_LISTED]:
            lines.append(
                _dataset(file[each.name], each.name)
                if each.is_readable and not each.is_sparse
                else f"  {each.name}: {each.words}"
            )
        lines += [f"  … {len(held)} in all"] * (len(held) > MOST_LISTED)
        return lines + [f"  {text}" for text in islice(links(file, path), MOST_LISTED)]


def _dataset(item, name):
    """A line on a dataset of rows."""
    stored, held = item.id.get_storage_size(), item.size * item.dtype.itemsize
    how = f"chunks {item.chunks}" if item.chunks else "contiguous"
    how += f", {item.compression}" if item.compression else ""
    try:
        element_type(item.dtype, name)
        use = ""
    except DataError as error:
        use = f"  (cannot be used: {error})"
    rows, *rest = item.shape
    columns = f"{rest[0]} columns" if len(rest) == 1 else f"({' × '.join(map(str, rest))})"
    return (
        f"  {name.lstrip('/')}: {rows} rows × {columns} {item.dtype}, "
        f"{format_size(held)} ({format_size(stored)} stored), {how}{use}"
    )
