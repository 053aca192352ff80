"""Arrays for other programs: ``.npy``, and text with commas. Written as rows come."""

import csv
import io
from itertools import chain

import numpy as np

FORMATS = {"f2": "%.5g", "f4": "%.9g", "f8": "%.17g"}  # digits that give the same number again


def write_npy(file, shape, dtype, pieces):
    """Write an array of ``shape`` whose rows come in ``pieces`` to an open file."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, header)
    for piece in pieces:
        file.write(np.ascontiguousarray(piece, dtype=dtype).data)


def write_csv(file, head, dtype, pieces):
    """Write lines to an open file: the words of ``head``, then a label and the numbers of each row
    of ``pieces``, which are (labels (list of str), rows (r, k)).
    """
    file.write(_line(head))
    form = FORMATS.get(np.dtype(dtype).str[1:], "%d")
    for labels, rows in pieces:
        line = ",".join(["%s", *[form] * rows.shape[1]]) + "\n"
        columns = zip(_quoted(labels), *(column.tolist() for column in rows.T))
        text = (line * len(rows)) % tuple(chain.from_iterable(columns))
        file.write(text.encode(errors="surrogateescape"))


def _quoted(labels):
    """Words as a line of CSV has them."""
    special = [any(sign in each for sign in ',"\n\r') for each in labels]
    if not any(special):
        return labels
    return [
        _line([each]).decode().rstrip("\n") if odd else each for each, odd in zip(labels, special)
    ]


def _line(words):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(words)
    return text.getvalue().encode(errors="surrogateescape")
