"""Where the values of a dataset really are: in its own file, in others that it names, or nowhere."""

import math
import os

from ..errors import DataError

REMEDY = "give --follow-links if you trust it, or copy the values into one file"


def check_place(item, path, name, follow_links):
    """Raise DataError where values come from outside of the file's folder (unless ``follow_links``), or from files that are not there."""
    folder = os.path.dirname(os.path.realpath(path))
    for what, target in _targets(item, path, folder):
        if "%b" in target:  # a pattern for names of blocks
            target = os.path.dirname(target)
        elif not os.path.exists(target):
            raise DataError(f"{name} {what} {target}, which is not there: HDF5 would give fill values instead; restore it")
        if not follow_links and not os.path.realpath(target).startswith(os.path.join(folder, "")) and os.path.realpath(target) != folder:
            raise DataError(f"{name} {what} {target}, outside of its folder; {REMEDY}")


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
        yield "keeps its values in", _found(os.fsdecode(file), folder)


def _found(name, folder):
    """As HDF5 looks for it: beside the file, else in the current folder."""
    beside = os.path.join(folder, name)
    return beside if os.path.exists(beside) or os.path.isabs(name) or not os.path.exists(name) else os.path.abspath(name)


def check_written(item, name):
    """Raise DataError where values were never written: HDF5 gives fill values for them, as if they were data."""
    if not item.size or item.is_virtual or item.external:
        return
    if item.chunks is None:
        missing, count = int(item.id.get_storage_size() == 0), 1
    else:
        count = math.prod(-(-size // chunk) for size, chunk in zip(item.shape, item.chunks))
        missing = count - item.id.get_num_chunks()
    if missing == count:
        raise DataError(f"{name} declares {item.shape[0]} × {item.shape[1]} values and holds none: it was never written")
    if missing > 0:
        raise DataError(f"{name}: {missing} of its {count} chunks were never written (was its writer stopped?) and would count as {item.fillvalue!s}; "
                        "complete it, or, if that is meant, write it out with 'hpcpca data shard'")
