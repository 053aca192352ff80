"""From what the user typed to files: globs, folders, natural order, ``:dataset``."""

import glob
import os
import re

from ..errors import DataError

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".h5ad", ".loom")


def natural_order(path):
    """Sort key that puts s2 before s10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path) if part]


def temporary(path):
    """Where a file is written before it is renamed to ``path``: hidden, in the same folder."""
    return os.path.join(os.path.dirname(path) or ".", f".{os.path.basename(path)}.part")


def split_dataset(text):
    """Return (file part, dataset or None): ``x.h5:a/b`` → ("x.h5", "a/b").

    Files and datasets may have colons in their names: the file is the longest part that is there, else what stands before the last colon.
    """
    colons = [match.start() for match in re.finditer(":", text)]
    end = next((end for end in (len(text), *reversed(colons)) if _is_there(text[:end])), colons[-1] if colons else len(text))
    return text[:end], text[end + 1:] or None


def _is_there(path):
    return os.path.exists(path) or bool(glob.glob(path))


def expand(arguments):
    """Return [(path, dataset or None)] of all files that DATA arguments name, in order; raise DataError."""
    found = []
    for text in arguments:
        path, dataset = split_dataset(text)
        found += [(name, dataset) for name in _files(path, text)]
    return found


def _files(path, text):
    if os.path.isdir(path):
        names = [os.path.join(path, name) for name in os.listdir(path) if name.lower().endswith(SUFFIXES)]
        if not names:
            raise DataError(f"folder {path} holds no HDF5 file ({', '.join(SUFFIXES[:3])}, …)")
        return sorted(names, key=natural_order)
    if os.path.exists(path):
        return [path]
    if glob.has_magic(path):
        names = sorted(glob.glob(path), key=natural_order)
        if names:
            return names
        raise DataError(f"no file matches {text}; check the pattern and the current folder")
    raise DataError(f"{path}: no such file; check the name and the current folder")
