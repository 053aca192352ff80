"""Tables in Parquet files; pyarrow reads them."""

from contextlib import contextmanager

import numpy as np

from ...errors import DataError, PlatformError, describe
from ...units import listed
from .chosen import chosen
from .file import PIECE_BYTES, ImportedFile

BUFFER_BYTES = 1 << 18  # of a column of the file that is read


class ParquetFile(ImportedFile):
    """One table, of which columns of numbers are taken, a few rows of a row group at a time."""

    suffixes = (".parquet", ".pq")

    def __init__(self, path, how, dtype):
        super().__init__(path)
        with self._opened() as file:
            schema, held = file.schema_arrow, file.metadata
            numbers = chosen(how, schema.names, len(schema.names))
            fields = list(schema) if numbers is None else [schema.field(n) for n in numbers]
            self._groups = [held.row_group(n).num_rows for n in range(held.num_row_groups)]
        self.names = [field.name for field in fields]
        self._check(fields)
        self.count, self.columns = sum(self._groups), len(fields)
        self.dtype = np.result_type(*(_type(field.type) for field in fields))
        if self.dtype.kind != "f" and np.dtype(dtype or self.dtype).kind == "f":
            self.dtype = np.dtype(np.float64)  # which has NaN for what is missing

    def _check(self, fields):
        others = [field for field in fields if _type(field.type) is None]
        if others:
            told = listed([f"{field.name} ({field.type})" for field in others])
            names = ",".join(field.name for field in others)
            raise DataError(
                f"{self.path} has columns that are no numbers: {told}; leave them out:"
                f" --skip-columns '{names}'"
            )
        if not fields:
            raise DataError(f"{self.path} has no columns; name another file")
        if len(set(self.names)) < len(self.names):
            raise DataError(f"{self.path} has columns of the same name; rename them")

    @contextmanager
    def _opened(self):
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise PlatformError(
                f"{self.path}: Parquet needs pyarrow: pip install 'hpcpca[parquet]'"
            ) from None
        try:
            with pyarrow.parquet.ParquetFile(
                self.path, pre_buffer=False, buffer_size=BUFFER_BYTES
            ) as file:
                yield file
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(
                f"{self.path} is not a Parquet file that can be read: {describe(error)}"
            ) from None

    def read(self, start, stop):
        """Yield rows start..stop−1 in order."""
        step = max(1, PIECE_BYTES // (self.columns * self.dtype.itemsize))
        edges = np.cumsum([0, *self._groups])
        with self._opened() as file:
            for group, (begin, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist())):
                if begin >= stop or end <= start:
                    continue
                for batch in file.iter_batches(step, row_groups=[group], columns=self.names):
                    first = max(0, start - begin)
                    rows = batch.slice(first, max(0, min(batch.num_rows, stop - begin) - first))
                    if rows.num_rows:
                        yield self._rows(rows, begin + first)
                    begin += batch.num_rows

    def _rows(self, batch, first):
        rows = np.empty((batch.num_rows, self.columns), self.dtype)
        for number, name in enumerate(self.names):
            column = batch.column(name)
            if column.null_count and self.dtype.kind != "f":
                row = first + int(
                    np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]
                )
                raise DataError(
                    f"{self.path}, row {row}, column {name}: a missing value among {self.dtype};"
                    f" give --dtype float64, or --skip-columns {name}"
                )
            if _is_decimal(column.type):
                column = column.cast("float64")
            rows[:, number] = column.to_numpy(zero_copy_only=False)
        return rows


def _type(kind):
    """numpy's type of a column of numbers, or None."""
    if _is_decimal(kind):
        return np.dtype(np.float64)
    try:
        found = np.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        return None
    if found == np.bool_:
        return np.dtype(np.uint8)
    return found if found.kind in "iuf" else None


def _is_decimal(kind):
    return str(kind).startswith("decimal")
