"""What every format has in common: the rows of one open file."""

from ..errors import DataError
from .lying import MADE, CannotMap

# why data of fewer are refused
TWO = "at least two dimensions (rows = samples, columns = features) are needed"


class OpenRows:
    """Rows of one dataset in an open file, closed at the end of a ``with``.

    A format is a subclass, made by ``kind.opened(path, dataset, cache)``: ``dataset`` is None if
    the user named none, ``cache`` is the memory that the file may use to keep what it has
    decompressed. It sets ``path``, ``shape`` (n, d) and ``dtype``, and defines ``read``. All else
    has defaults, for formats without named datasets, chunks or attributes, and of two dimensions.
    """

    suffixes: tuple = ()  # of its files, in lower case
    in_folders = True  # whether such files are taken if a folder is named
    path = dataset = ""
    shape, dtype = (0, 0), None
    extent: tuple = ()  # lengths of all axes, if there are more
    chunks = None  # their shape
    is_filtered = False  # whether chunks are compressed
    stored = None  # how many values a sparse matrix has
    attributes: dict = {}  # noqa: RUF012 – what the file says of its values, as in ``missing``

    @property
    def name(self):
        """The path, with the dataset if there are several in a file."""
        return f"{self.path}:{self.dataset}" if self.dataset else self.path

    @classmethod
    def takes(cls, path):
        """Whether a file is of this format."""
        return path.lower().endswith(cls.suffixes)

    @classmethod
    def opened(cls, path, dataset, cache):
        """Return the rows of a file; raise DataError."""
        return cls(path, dataset, cache)

    def turn(self, axis):
        """Take ``axis`` for that of the samples from now on, and flatten the others to columns;
        raise DataError if that cannot be.
        """
        if axis not in (0, -2):
            raise DataError(
                f"{self.name}: samples are rows in this format; leave --samples-axis {axis} out"
            )

    def latitudes(self):
        """Latitude of every column in degrees: (d); raise DataError if the file has none."""
        raise DataError(f"{self.name} has no latitudes; give --column-weights FILE:dataset")

    def axes(self):
        """What stands along each axis of ``extent``: a ``labels.Axis`` each, or nothing."""
        return ()

    @property
    def chunk_rows(self):
        """How many rows are stored together."""
        return self.chunks[0] if self.chunks else 1

    def check(self, follow_links, is_whole):
        """Raise DataError if values lie outside of the file's folder, unless ``follow_links``, or
        if they were never written, unless ``is_whole`` is False.
        """

    def read(self, start, stop, out):
        """Put rows start..stop−1 into ``out`` (stop − start, d); raise DataError."""
        raise NotImplementedError

    def runs(self):
        """Return where rows lie in the file as they do in memory: (r, 3) int64 of first row, row
        after the last, and offset; raise ``CannotMap``.
        """
        raise CannotMap(MADE)

    def stored_in(self, start, stop):
        """How many values a sparse matrix has in rows start..stop−1; raise DataError."""
        raise NotImplementedError

    def read_stored(self, start, stop):
        """Return values, indices and ends of rows start..stop−1 of a sparse matrix, as a
        ``SparseBlock`` has them, in the file's types; raise DataError.
        """
        raise NotImplementedError

    def forget(self, start, stop):
        """Take these rows out of the system's page cache."""

    def close(self):
        """Close the file."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


FORMATS: dict[str, type[OpenRows]] = {}


def register(name, kind):
    """Let files with the suffixes of ``kind`` be data. The last line of a format's module."""
    FORMATS[name] = kind
