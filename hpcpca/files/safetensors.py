"""Files of named tensors in the safetensors format: 8 bytes (little-endian) with the length of a
JSON header, the header, and the tensors' bytes one after the other.
"""

import json
import os

import numpy as np

from ..errors import DataError, describe
from .outputs import whole

TYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the upper halves of F32; numpy has no such type
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
CODES = {dtype: code for code, dtype in TYPES.items() if code != "BF16"}
LONGEST = 100_000_000  # bytes of a header, by the format
METADATA = "__metadata__"
HEAD, ALIGNED = 8, 8


def write_tensors(path, tensors, metadata=None):
    """Write {name: array} with ``metadata`` {text: text}, whole or not at all; raise DataError."""
    header, at = ({METADATA: metadata} if metadata else {}), 0
    # those of larger items first, so that all are aligned
    ordered = sorted(tensors.items(), key=lambda each: (-each[1].dtype.itemsize, each[0]))
    for name, array in ordered:
        code = CODES[array.dtype.newbyteorder("<")]
        stop = at + array.nbytes
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [at, stop]}
        at = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with whole(path, count=HEAD + len(text) + at) as part, open(part, "wb") as file:
        file.write(len(text).to_bytes(HEAD, "little") + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)


def read_tensors(path):
    """Return ({name: array}, metadata) of a file, BF16 as float32; raise DataError."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(HEAD), "little")
            if size < HEAD or length > min(LONGEST, size - HEAD):
                raise _damaged(path, f"a header of {length} bytes in a file of {size}")
            header = _header(path, file.read(length))
            metadata = header.pop(METADATA, {})
            data = file.read()
        return {name: _tensor(path, name, entry, data) for name, entry in header.items()}, metadata
    except OSError as error:
        raise DataError(f"{path} cannot be read: {describe(error)}") from None


def _header(path, text):
    try:
        header = json.loads(text)
    except ValueError:
        raise _damaged(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a table")
    return header


def _tensor(path, name, entry, data):
    try:
        code, shape = entry["dtype"], tuple(map(int, entry["shape"]))
        start, stop = map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, f"{name} has no dtype, shape and data_offsets") from None
    if code not in TYPES:
        raise DataError(f"{path}: {name} is of type {code}, which is not read; convert it to F32")
    count = int(np.prod(shape, dtype=np.int64))
    if min((0, *shape)) < 0 or not 0 <= start <= stop <= len(data):
        raise _damaged(path, f"{name} lies outside of the file")
    if stop - start != count * TYPES[code].itemsize:
        raise _damaged(path, f"{name} has {stop - start} bytes for a shape of {list(shape)}")
    found = np.frombuffer(data, TYPES[code], count, start)
    if code == "BF16":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found.reshape(shape)


def _damaged(path, what):
    return DataError(f"{path} is no safetensors file, or damaged: {what}; get it again")
