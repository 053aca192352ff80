"""The formats that there are, by the suffix of the file: a line each."""

import os

from ..errors import DataError, UsageError
from ..files.outputs import check_output
from ..files.paths import split_dataset
from .anndata import to_anndata
from .netcdf import to_netcdf
from .plain import to_csv, to_npy

# suffix: (what writes it, how such files begin)
FORMATS = {
    ".npy": (to_npy, b"\x93NUMPY"),
    ".csv": (to_csv, b""),
    ".h5ad": (to_anndata, b"\x89HDF"),
    ".nc": (to_netcdf, b"\x89HDF"),
}
ADDED_TO = ".h5ad"


def export(asked):
    """Write what is ``asked`` for, an ``Export``; return a line on it. Raise DataError, UsageError;
    then the output is as it was.
    """
    suffix = os.path.splitext(asked.output)[1].lower()
    if asked.into and suffix != ADDED_TO:
        raise UsageError(f"--into {asked.output}: only {ADDED_TO} files are added to")
    if suffix not in FORMATS:
        raise UsageError(f"-o {asked.output}: a name ends in {', '.join(FORMATS)}")
    write, start = FORMATS[suffix]
    read = dict.fromkeys(
        [split_dataset(asked.text)[0], *filter(None, [asked.scores])], "a file read"
    )
    if asked.into:
        if not os.path.isfile(asked.output):
            raise DataError(f"--into {asked.output}: no such file; name AnnData, or give -o")
        check_output(asked.output, "--into", True, read, lambda _: False)
    else:
        check_output(
            asked.output,
            "-o",
            asked.overwrite,
            read,
            lambda path: _begins_otherwise(path, start),
            what=f"{suffix} file",
        )
    return f"{asked.output}: {write(asked)}"


def _begins_otherwise(path, start):
    with open(path, "rb") as file:
        found = file.read(len(start))
    return bool(found) and found != start
