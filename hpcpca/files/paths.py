"""From what the user typed to files: globs, folders, natural order, ``:dataset``."""

import glob
import os
import re
from dataclasses import dataclass

from ..errors import DataError

GRANT = "get access to it, or name another"
SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nc", ".h5ad", ".loom")


def natural_order(path):
    """Sort key that puts s2 before s10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", path)
        if part
    ]


def temporary(path):
    """Where a file is written before it is renamed to ``path``: hidden, in the same folder."""
    return os.path.join(os.path.dirname(path) or ".", f".{os.path.basename(path)}.part")


def split_dataset(text):
    """Return (file part, dataset or None): ``x.h5:a/b`` → ("x.h5", "a/b").

    Files and datasets may have colons in their names: the file is the longest part that is there,
    else what stands before the last colon.
    """
    colons = [match.start() for match in re.finditer(":", text)]
    end = next(
        (end for end in (len(text), *reversed(colons)) if _is_there(text[:end])),
        colons[-1] if colons else len(text),
    )
    return text[:end], text[end + 1 :] or None


def _is_there(path):
    return os.path.exists(path) or bool(glob.glob(path))


@dataclass(frozen=True)
class Named:
    """A file that an argument names."""

    path: str
    dataset: str | None
    is_listed: bool  # by a glob or folder


def expand(arguments, suffixes=SUFFIXES):
    """Return the files that DATA arguments name, in order: list of ``Named``; raise DataError.

    Of a folder, all files with one of the ``suffixes``.
    """
    found = []
    for text in arguments:
        path, dataset = split_dataset(text)
        names = _files(path, text, suffixes)
        found += [Named(name, dataset, names != [path]) for name in names]
    return found


def whole_files(arguments, why, own=()):
    """Return the paths of ``expand`` where no dataset may be named (``why``, in words); those in
    folders and patterns that are among ``own`` are left out. Raise DataError.
    """
    found = []
    for each in expand(arguments):
        if each.dataset:
            raise DataError(f"{each.path}:{each.dataset}: {why}; leave :{each.dataset} out")
        if not (each.is_listed and each.path in own):
            found.append(each.path)
    return found


def _files(path, text, suffixes):
    if is_folder(path):
        names = [name for name in _listed(path) if name.lower().endswith(suffixes)]
        if not names:
            what = "HDF5 file" if SUFFIXES[0] in suffixes else "file to import"
            raise DataError(f"folder {path} holds no {what} ({', '.join(suffixes[:3])}, …)")
        return sorted((os.path.join(path, name) for name in names), key=natural_order)
    if _exists(path):
        return [path]
    if glob.has_magic(path):
        _check_listable(path)
        names = sorted(glob.glob(path), key=natural_order)
        if names:
            return names
        raise DataError(f"no file matches {text}; check the pattern and the current folder")
    raise DataError(f"{path}: no such file; check the name and the current folder")


def is_folder(path):
    """Whether ``path`` is a folder; raise DataError if permissions do not let one see."""
    return _exists(path) and os.path.isdir(path)


def check_writable(folder, option):
    """Raise DataError unless files can be put into ``folder``; ``option`` names another."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(
            f"folder {folder} is not writable (permission denied); choose another with {option}"
        )


def _exists(path):
    try:
        os.stat(path)
    except PermissionError:
        raise DataError(f"{path} cannot be reached: permission denied; {GRANT}") from None
    except (OSError, ValueError):
        return False
    return True


def _listed(folder):
    try:
        return os.listdir(folder)
    except PermissionError:
        raise DataError(f"folder {folder} cannot be listed: permission denied; {GRANT}") from None


def _check_listable(pattern):
    """Raise DataError for a folder that may not be listed: a glob would pass over its files."""
    above, name = os.path.split(pattern)
    folders = [above or "."]
    if glob.has_magic(above):
        _check_listable(above)
        folders = glob.glob(above)
    for folder in filter(is_folder, folders):
        if glob.has_magic(name):
            _listed(folder)
        else:
            _exists(os.path.join(folder, name))
