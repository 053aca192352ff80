"""What the launcher's environment says, read without importing MPI."""

import os

_RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "MPI_LOCALRANKID")
_SIZE = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def _first(names, default):
    return next(
        (int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), default
    )


def launched_rank():
    """Rank that the launcher gave this process; 0 if there was none."""
    return _first(_RANK, 0)


def launched_size():
    """Number of ranks that the launcher started; 0 if it does not say."""
    return _first(_SIZE, 0)
