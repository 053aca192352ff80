"""Data as Python programs have them: arrays, sparse ones, datasets, paths."""

import os
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..errors import DataError
from ..sources.held import holding
from ..sources.masked import in_pieces, unmasked
from ..sources.source import open_source


def is_paths(data):
    """Whether ``data`` are a path, or several, as DATA of the command line."""
    if isinstance(data, str | os.PathLike):
        return True
    return (
        isinstance(data, list | tuple)
        and len(data) > 0
        and all(isinstance(each, str | os.PathLike) for each in data)
    )


def held_form(data, name):
    """Return ``data`` as an array that can be held: numpy's, CSR of scipy's, or what can be sliced.
    Masked entries are NaN. Raise DataError.
    """
    if hasattr(data, "tocsr"):
        return data if getattr(data, "format", "") == "csr" else data.tocsr()
    if not isinstance(data, np.ndarray) and (
        hasattr(data, "shape") and hasattr(data, "dtype") and hasattr(data, "__getitem__")
    ):
        return in_pieces(data)
    try:
        return unmasked(data)
    except ValueError as error:
        raise DataError(f"{name} is no array: {error}; give rows of equal lengths") from None


def named(data, name):
    """Return (DATA arguments, {name: array}) of what a program gives as ``data``: an array, to be
    held under this ``name``, or paths.
    """
    if is_paths(data):
        paths = [data] if isinstance(data, str | os.PathLike) else data
        return tuple(map(os.fspath, paths)), {}
    return (name,), {name: held_form(data, name)}


@contextmanager
def opened(data, fitted, width):
    """The ``Source`` of ``data``, read as what was ``fitted`` (with its path, ``reading`` and what
    was ``learned``) and of so many columns then; raise DataError.
    """
    arguments, arrays = named(data, "X")
    with holding(arrays):
        source = open_source(arguments, replace(fitted.reading, rows=None))
        source.learn(replace(fitted.learned, left_out=None))  # rows of other data
        if source.d != width:
            raise DataError(
                f"X has {source.d} features, but {fitted.path} is expecting {width} features as"
                " input"
            )
        yield source
