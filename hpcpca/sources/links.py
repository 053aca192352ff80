"""Where the values of a dataset really are: in its own file, in others that it names, or
nowhere.
"""

import math
import os

import h5py

from ..errors import DataError
from ..files.damage import reporting_damage

REMEDY = "give --follow-links if you trust it, or copy the values into one file"
INSTEAD = "HDF5 would give fill values instead"
DEEPEST = 8  # virtual datasets of virtual datasets
UNLIMITED = 1 << 62  # sizes from here on mean: as many as there are


def check_values(item, path, name, follow_links, is_whole, *, folder=None, depth=0):
    """Raise DataError if values come from outside of the file's folder (unless
    ``follow_links``), or, unless ``is_whole`` is False, from nowhere. The sources of virtual
    datasets are checked in turn.
    """
    folder = folder or os.path.dirname(os.path.realpath(path))
    for what, target in _targets(item, path, folder):
        if "%b" in target:  # a pattern for names of blocks
            target = os.path.dirname(target)
        elif not os.path.exists(target):
            raise DataError(f"{name} {what} {target}, which is not there: {INSTEAD}; restore it")
        if (
            not follow_links
            and not os.path.realpath(target).startswith(os.path.join(folder, ""))
            and os.path.realpath(target) != folder
        ):
            raise DataError(f"{name} {what} {target}, outside of its folder; {REMEDY}")
    if is_whole:
        _check_written(item, name, folder)
    if item.is_virtual:
        _check_sources(item, name, follow_links, is_whole, folder, depth=depth)


def _targets(item, path, folder):
    """Yield (how, path) of all other files that a dataset takes values from."""
    own = item.file.filename
    if os.path.realpath(own) != os.path.realpath(path):
        yield "is an external link to", own
    if item.is_virtual:
        for source in item.virtual_sources():
            if source.file_name != ".":
                yield "is virtual and takes values from", _found(source.file_name, folder)
    for file, _, _ in item.external or ():
        yield (
            "keeps its values in",
            os.path.join(folder, os.fsdecode(file)),
        )  # where __main__ has HDF5 look for it


def _found(name, folder):
    """As HDF5 looks for sources: beside the file, else in the current folder."""
    beside = os.path.join(folder, name)
    return (
        beside
        if os.path.exists(beside) or os.path.isabs(name) or not os.path.exists(name)
        else os.path.abspath(name)
    )


def _check_sources(item, name, follow_links, is_whole, folder, *, depth):
    """``check_values`` of all that a virtual dataset is made of."""
    if depth == DEEPEST:
        raise DataError(
            f"{name} is made of virtual datasets more than {DEEPEST} deep; write its values out"
            " into one file"
        )
    for file, dataset in sorted(
        {(source.file_name, source.dset_name) for source in item.virtual_sources()}
    ):
        if "%b" in file + dataset:
            continue
        target = item.file.filename if file == "." else _found(file, folder)
        with reporting_damage(target), h5py.File(target, "r", locking=False) as opened:
            inner = opened[dataset] if dataset in opened else None
            if not isinstance(inner, h5py.Dataset):
                raise DataError(
                    f"{name} is virtual and takes values from {target}:{dataset}, which is not"
                    f" there: {INSTEAD}; restore it"
                )
            if is_whole:
                _check_reach(item, file, dataset, inner, name, target=target)
            check_values(
                inner,
                target,
                f"{name}: {target}:{dataset}",
                follow_links,
                is_whole,
                folder=folder,
                depth=depth + 1,
            )


def _check_reach(item, file, dataset, inner, name, *, target):
    """Raise DataError if a virtual dataset asks a source, ``inner``, for values past its end."""
    for source in item.virtual_sources():
        asked = None
        if (source.file_name, source.dset_name) != (file, dataset) or _points(
            source.src_space
        ) == UNLIMITED:
            continue
        if source.src_space.get_select_type() != h5py.h5s.SEL_ALL:
            last = source.src_space.get_select_bounds()[1]
            asked = (
                f"values up to {last}"
                if any(most >= size for most, size in zip(last, inner.shape))
                else None
            )
        elif _points(source.vspace) > inner.size:
            asked = f"{_points(source.vspace)} values"
        if asked:
            raise DataError(
                f"{name} is virtual and asks {target}:{dataset} for {asked}, which has shape"
                f" {inner.shape}: {INSTEAD}; restore it"
            )


def _points(space):
    """Number of values in a selection; UNLIMITED if it has no end, which HDF5 does not tell."""
    try:
        return min(space.get_select_npoints(), UNLIMITED)
    except RuntimeError:
        return UNLIMITED


def _check_written(item, name, folder):
    """Raise DataError if values were never written: HDF5 gives fill values for them, as if they
    were data.
    """
    if not item.size:
        return
    if item.is_virtual:
        mapped = [_points(source.vspace) for source in item.virtual_sources()]
        if max(mapped, default=0) < UNLIMITED and sum(mapped) < item.size:
            raise DataError(
                f"{name} is virtual and maps {sum(mapped)} of its {item.size} values, the others"
                f" would count as {item.fillvalue!s}; complete it, or, if that is meant, write it"
                " out with 'hpcpca data shard'"
            )
    elif item.external:
        _check_storage(item, name, folder)
    else:
        _check_chunks(item, name)


def _check_storage(item, name, folder):
    left = item.size * item.dtype.itemsize
    for file, offset, size in item.external:
        path = os.path.join(folder, os.fsdecode(file))
        wanted = min(left, size)
        there = max(0, os.path.getsize(path) - offset)
        if there < wanted:
            raise DataError(
                f"{name} keeps {wanted} bytes in {path}, which has {there} of them: {INSTEAD};"
                " restore it"
            )
        left -= wanted


def _check_chunks(item, name):
    if item.chunks is None:
        missing, count = int(item.id.get_storage_size() == 0), 1
    else:
        count = math.prod(-(-size // chunk) for size, chunk in zip(item.shape, item.chunks))
        missing = count - item.id.get_num_chunks()
    if missing == count:
        raise DataError(
            f"{name} declares {' × '.join(map(str, item.shape))} values and holds none: it was"
            " never written; run its writer again, or name another dataset"
        )
    if missing > 0:
        raise DataError(
            f"{name}: {missing} of its {count} chunks were never written (was its writer stopped?)"
            f" and would count as {item.fillvalue!s}; complete it, or, if that is meant, write it"
            " out with 'hpcpca data shard'"
        )
