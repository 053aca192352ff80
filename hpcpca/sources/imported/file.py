"""What all files that are imported have in common."""

import os

from ...errors import DataError
from ..array import refuse_special

PIECE_BYTES = 8 << 20  # read at a time


class ImportedFile:
    """One file, whose rows come in order. Nothing is open between two readings.

    A format is a subclass, made by ``kind(path, how, dtype)``: ``how`` is an ``Importing``,
    ``dtype`` what was asked for, or None. It sets ``count`` (rows), ``columns``, ``names`` (of the
    columns, or None) and ``dtype``, and defines ``read``.
    """

    suffixes: tuple = ()  # in lower case
    count, columns, names, dtype = 0, 0, None, None
    is_large = False  # so that compiled kernels are worth loading
    feature_shape: tuple = ()  # lengths of the axes that became columns, if there are several

    def __init__(self, path):
        self.path = path
        refuse_special(path)
        try:
            self._status = self._look()
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; check the name and the current folder"
            ) from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror.lower()}") from None

    def _look(self):
        with open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
        return status.st_size, status.st_mtime

    @property
    def size(self):
        """Bytes of the file."""
        return self._status[0]

    def check_unchanged(self):
        """Raise DataError if the file was written to, or went away."""
        try:
            what = "" if self._look() == self._status else "was written to"
        except OSError:
            what = "went away"
        if what:
            raise DataError(
                f"{self.path} {what} while it was read; start again when nobody writes to it"
                " (nothing was written)"
            )

    def read(self, start, stop):
        """Yield rows start..stop−1 in order, as arrays (r, columns); raise DataError."""
        raise NotImplementedError
