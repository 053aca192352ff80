"""What a damaged file makes HDF5 and h5py raise, as one error that names the file."""

from contextlib import contextmanager

from ..errors import DataError, HpcpcaError, describe

RAISED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def reporting_damage(path, says="is damaged, or of a form that HDF5 does not know"):
    """Context in which all of that becomes a DataError: "PATH says: what was raised"."""
    try:
        yield
    except HpcpcaError:
        raise
    except RAISED as error:
        raise DataError(f"{path} {says}: {describe(error)}") from None
