"""Checksums of datasets, and the seal over all of them that says a file is as it was written."""

import json
import zlib

import h5py
import numpy as np

from ..errors import DataError
from .damage import reporting_damage
from .trailer import AGAIN

PIECE_BYTES = 64 << 20


def row_checksums(array):
    """CRC-32 of each row of a 2-D array (of the whole, for others): uint32 array."""
    array = np.ascontiguousarray(array)
    rows = array if array.ndim == 2 else array.reshape(1, -1)
    return np.array([zlib.crc32(row.tobytes()) for row in rows], dtype=np.uint32)


def checksum(rows_crc):
    """One CRC-32 from those of all rows."""
    return np.uint32(zlib.crc32(np.asarray(rows_crc, dtype="<u4").tobytes()))


def seal(attributes, checksums):
    """Return the CRC-32 over every root attribute and every dataset's checksum.

    It is written before the datasets' values. A file is whole if they match their checksums, and
    these match the seal: ``check`` looks at both.
    """
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in attributes.items()
        if name != "seal"
    }
    return np.uint32(
        zlib.crc32(json.dumps([plain, checksums], sort_keys=True, default=str).encode())
    )


def names_of(file):
    """Names of all datasets of a file."""
    names = []
    file.visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return names


def reading_own(path):
    """Context for reading one of our files: whatever a damaged one makes the libraries raise
    becomes a DataError that names it.
    """
    return reporting_damage(path, "is damaged or not a file of hpcpca")


def check(file, path):
    """Raise DataError unless every dataset and attribute of one of our files is as it was written.

    For one rank to call.
    """
    with reading_own(path):
        checksums = {}
        for name in names_of(file):
            item = file[name]
            if "checksum" not in item.attrs:
                raise DataError(
                    f"{path} was changed after it was written, by whatever program: /{name} is none"
                    " of its datasets; remove that, and keep what is yours in a file of your own"
                )
            step = (
                max(1, PIECE_BYTES // max(8, int(np.prod(item.shape[1:])) * 8))
                if item.ndim == 2
                else None
            )
            crcs = (
                np.concatenate(
                    [row_checksums(item[i : i + step]) for i in range(0, len(item), step)]
                    or [np.zeros(0, np.uint32)]
                )
                if item.ndim == 2
                else row_checksums(item[...])
            )
            checksums[name] = int(item.attrs["checksum"])
            if checksum(crcs) != checksums[name]:
                raise DataError(
                    f"{path} is damaged, or was changed after it was written: /{name} does not"
                    f" match its checksum; {AGAIN}"
                )
        if seal(dict(file.attrs), checksums) != file.attrs["seal"]:
            raise DataError(
                f"{path} is damaged, or was changed after it was written: its attributes or the"
                f" list of its datasets do not match their checksum; {AGAIN}"
            )


def reseal(file):
    """Write checksums and seal again after something was added to one of our files."""
    checksums = {}
    for name in names_of(file):
        item = file[name]
        item.attrs["checksum"] = checksum(row_checksums(item[...]))
        checksums[name] = int(item.attrs["checksum"])
    file.attrs["seal"] = seal(dict(file.attrs), checksums)
