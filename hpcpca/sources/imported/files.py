"""Files of several formats as one set of rows, to be written again."""

import os

import numpy as np

from ...errors import DataError, UsageError
from ...files.paths import expand
from ..source_rows import converted
from ..watch import Passage
from .array import NpyFile
from .parquet import ParquetFile
from .text import TextFile

FORMATS = (TextFile, NpyFile, ParquetFile)
SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.suffixes)


class ImportedRows:
    """The rows of files, one file after the other, as ``dtype``."""

    def __init__(self, files, dtype=None):
        self.files = files
        self.dtype = np.dtype(dtype or np.result_type(*(file.dtype for file in files)))
        self.columns, self.feature_shape = files[0].columns, files[0].feature_shape
        self.names = next((file.names for file in files if file.names), None)
        self.edges = np.cumsum([0, *(file.count for file in files)]).tolist()

    def read(self, start, stop):
        """Yield rows start..stop−1 of the whole set in order.

        Raises DataError if one cannot be read or does not fit the type, and at the end if files
        were written to meanwhile.
        """
        passage = Passage(stop - start)
        for file, first, end in zip(self.files, self.edges, self.edges[1:]):
            if start >= end or stop <= first:
                continue
            for rows in file.read(max(start, first) - first, min(stop, end) - first):
                yield converted(rows, self.dtype, file.path)
                passage.done(len(rows))
            file.check_unchanged()


def open_files(arguments, how, dtype=None):
    """Look at all files that the ``arguments`` name, count their rows, and return them as
    ``ImportedRows``; raise DataError, UsageError or PlatformError. For one rank to call.
    """
    how.check()
    files = []
    for each in expand(arguments, SUFFIXES):
        if each.dataset:
            raise DataError(f"{each.path}:{each.dataset}: there are no datasets; name the file")
        file = _format(each.path, how)(each.path, how, dtype)
        if files:
            _check_alike(file, files[0])
        files.append(file)
    asked = how.asked_of_text()
    if asked and not any(isinstance(file, TextFile) for file in files):
        raise UsageError(f"{', '.join(asked)}: this is of text, and there is none among the files")
    return ImportedRows(files, dtype)


def _format(path, how):
    for kind in FORMATS:
        if path.lower().endswith(kind.suffixes):
            return kind
    if how.delimiter is not None:
        return TextFile
    ends = os.path.splitext(path)[1] or "no suffix"
    raise DataError(
        f"{path} has {ends}, and is not imported; files that are: {', '.join(SUFFIXES)}, or any"
        " text with --delimiter (HDF5 and NetCDF are read as they are)"
    )


def _check_alike(file, first):
    """Raise DataError if a file has other columns than the first one."""
    if file.columns != first.columns:
        raise DataError(
            f"{file.path} has {file.columns} columns, the first file ({first.path}) has"
            f" {first.columns}; make them the same, or import them by themselves"
        )
    if file.feature_shape != first.feature_shape:
        raise DataError(
            f"{file.path} has samples of {file.feature_shape or (file.columns,)}, the first file"
            f" ({first.path}) has {first.feature_shape or (first.columns,)}; import them by"
            " themselves"
        )
    for number, (name, other) in enumerate(zip(file.names or (), first.names or ())):
        if name != other:
            raise DataError(
                f"column {number} is called {name} in {file.path} and {other} in the first file"
                f" ({first.path}); put them in the same order, with --columns"
            )
