"""The parts that DATA arguments name, one below the other or side by side."""

import os

import numpy as np

from ..errors import DataError
from ..files.paths import Named, expand
from ..units import listed
from .chosen import chosen_numbers
from .formats import suffixes
from .held import ARRAYS
from .part import choose, part_of, side_by_side


def parts_of(arguments, reading, is_whole, own, least):
    """Return the parts and notes on them, as of ``open_source``; raise DataError."""
    found, notes = _found(arguments, own)
    if reading.join:
        parts = _joined(arguments, own, reading, is_whole)
    else:
        parts = [
            part_of(each.path, each.dataset, reading, is_whole, True, least=least) for each in found
        ]
    parts = _agreeing(parts)
    if parts[0].columns == 0 or sum(part.rows for part in parts) == 0:
        raise DataError(
            f"{parts[0].name} is empty: {sum(part.rows for part in parts)} rows, {parts[0].columns}"
            " columns; check its export, or name another dataset"
        )
    odd = _odd(parts)
    if reading.rows is not None:
        count = sum(part.rows for part in parts)
        parts = choose(parts, chosen_numbers(reading.rows, count, "--rows", "row"))
    return parts, (*notes, *odd)


def _found(arguments, own):
    """Return the files that DATA arguments name, but for ``own``, and notes on those; raise
    DataError.
    """
    named, own = _named(arguments), set(map(os.path.realpath, own))
    left_out = [
        each for each in named if own and each.is_listed and os.path.realpath(each.path) in own
    ]
    found = [each for each in named if each not in left_out]
    if not found:
        raise DataError(
            f"{arguments[0]} holds only {left_out[0].path}, which is not data; name the data"
        )
    return found, [
        f"{each.path} is left out of the data: this run writes it, or takes it as a result"
        for each in left_out
    ]


def _named(arguments):
    """The arrays and files that arguments name: list of ``Named``; raise DataError."""
    found = []
    for text in arguments:
        is_array = text in ARRAYS
        found += [Named(text, None, False)] if is_array else expand([text], suffixes())
    return found


def _joined(arguments, own, reading, is_whole):
    """Return the parts that arguments side by side make: the first file of each, then the second
    of each, and so on; raise DataError.
    """
    sets = [_found([argument], own)[0] for argument in arguments]
    for argument, files in zip(arguments, sets):
        if len(files) != len(sets[0]):
            raise DataError(
                f"--join: {argument} names {len(files)} file(s), {arguments[0]} names"
                f" {len(sets[0])}; name as many of each"
            )
    return [
        side_by_side(
            [part_of(each.path, each.dataset, reading, is_whole, True, least=1) for each in members]
        )
        for members in zip(*sets)
    ]


def _odd(parts):
    """Yield a warning for datasets of different names, and for each file that is given twice."""
    names = list(dict.fromkeys(part.dataset for part in parts))
    if len(names) > 1:
        yield f"hpcpca: warning: datasets of different names are taken: {listed(names)}"
    seen = {}
    for part in parts:
        first = seen.setdefault((os.path.realpath(part.path), part.dataset), part)
        if first is not part:
            other = f", also as {first.path}" if first.path != part.path else ""
            yield f"hpcpca: warning: {part.name} is given twice{other}: its rows count twice"


def _agreeing(parts):
    first = parts[0]
    for part in parts[1:]:
        if part.columns != first.columns:
            raise DataError(
                f"{part.name} has {part.columns} columns, the first file ({first.name}) has"
                f" {first.columns}; check its export"
            )
        if part.feature_shape != first.feature_shape:
            raise DataError(
                f"{part.name} has samples of {part.feature_shape}, the first file ({first.name})"
                f" has {first.feature_shape}; check its export"
            )
        if part.dtype != first.dtype:
            raise DataError(
                f"{part.name} has dtype {np.dtype(part.dtype)}, the first file ({first.name}) has"
                f" {np.dtype(first.dtype)}; convert one of them"
            )
    return parts
