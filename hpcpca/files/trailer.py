"""A checksum that stands behind the end of an HDF5 file, to be looked at before HDF5 reads it.

HDF5 has to understand a file's structure before a dataset's checksum can be asked for, and damaged
structure makes it crash or loop (HDF5 1.10: many bytes, 2.0: a few). The trailer covers all bytes
but the values of large datasets, which have checksums of their own. HDF5 takes no notice of what
stands behind its end, and cuts it off when it changes a file.
"""

import json
import os
import struct
import zlib

import h5py

from ..errors import DataError

MAGIC = b"\nhpcpca trailer\n"
FOOTER = struct.Struct(f"<II{len(MAGIC)}s")  # bytes of JSON before it, their CRC-32, MAGIC
LARGE = 64 << 10  # bytes of a dataset that is left out
PIECE = 16 << 20
AGAIN = "use a copy of it, or write it again"


def append_trailer(path):
    """Put a trailer behind a file that is complete; raises OSError."""
    large = []
    with h5py.File(path, "r", locking=False) as file:
        file.visititems(
            lambda _, item: (
                large.append((item.id.get_offset(), item.id.get_storage_size()))
                if isinstance(item, h5py.Dataset)
                and item.id.get_offset() is not None
                and item.id.get_storage_size() >= LARGE
                else None
            )
        )
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        text = json.dumps(
            {"size": size, "values": sorted(large), "crc": _checksum(file, size, large)}
        ).encode()
        file.seek(size)
        file.write(text + FOOTER.pack(len(text), zlib.crc32(text), MAGIC))


def has_trailer(path):
    """Whether a trailer stands at the end of a file: then it is ours, however damaged."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(MAGIC)))
        return file.read() == MAGIC


def check_trailer(path):
    """Raise DataError where a file has a trailer that it does not agree with; OSError where it
    cannot be read.
    """
    with open(path, "rb") as file:
        whole = os.fstat(file.fileno()).st_size
        file.seek(max(0, whole - FOOTER.size))
        footer = file.read(FOOTER.size)
        if len(footer) < FOOTER.size or not footer.endswith(MAGIC):
            return
        length, crc, _ = FOOTER.unpack(footer)
        file.seek(max(0, whole - FOOTER.size - length))
        text = file.read(min(length, whole))
        if zlib.crc32(text[:length]) != crc:
            raise DataError(f"{path} is damaged: the checksum at its end is; {AGAIN}")
        told = json.loads(text[:length])
        if (
            told["size"] != whole - FOOTER.size - length
            or _checksum(file, told["size"], told["values"]) != told["crc"]
        ):
            raise DataError(
                f"{path} is damaged: its structure does not match the checksum at its end; {AGAIN}"
            )


def _checksum(file, size, left_out):
    """CRC-32 of the first ``size`` bytes but those ``left_out`` [(offset, bytes)]."""
    crc, at = 0, 0
    for start, count in [*sorted(map(tuple, left_out)), (size, 0)]:
        file.seek(at)
        while at < start and (some := file.read(min(PIECE, start - at))):
            crc, at = zlib.crc32(some, crc), at + len(some)
        at = start + count
    return crc
